"""The compiled runtime: steps on edges and atoms that threads work through, tables, forces."""
