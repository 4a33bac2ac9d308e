package lockfile

const noWait = 0 // Windows has no FIFOs in directories
