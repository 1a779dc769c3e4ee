"""CAMP as compiled code for the CPU: sums over neighbours, what happens on atoms, forces."""
