"""Parts of CAMP as compiled code for the CPU: sums over neighbours, messages."""
