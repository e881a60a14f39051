"""What runs programs: memory, the thread team, machine code in this process, devices."""
