"""What people see of runs: live pages, reports, metrics. Reads from the store, writes nothing."""
