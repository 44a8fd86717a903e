"""What the routing core puts into the kernel and reads from it: rtnetlink, spoken by the standard library alone."""
