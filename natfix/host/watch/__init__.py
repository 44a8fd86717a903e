"""What the watcher needs of the machine: events, cheap looks, and whom to tell."""
