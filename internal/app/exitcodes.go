package app

// ExitCode is an exit code of the program, with what it means.
type ExitCode struct {
	Code    int
	Meaning string // a sentence for help
}

// ExitCodes returns the table that coffer help exit-codes prints.
func ExitCodes() []ExitCode {
	return []ExitCode{
		{ExitDone, "Success."},
		{ExitOther, "Another error. From coffer diff: the two sides differ. From coffer doctor: something needs repair. From coffer scan: a secret was found."},
		{exitUsage, "Usage: an unknown flag or command, or an invalid name or value."},
		{exitNotFound, "Not found: there is no such service, secret or version."},
		{exitConflict, "Conflict: somebody else changed it, or it belongs to another key alias."},
		{exitDenied, "Denied: you don't have a permission that is needed."},
		{exitUnavailable, "Unavailable: the network, throttling, or no progress in time. The same command may work later."},
		{exitConfiguration, "Configuration: wrong or missing credentials, region, bucket, key or endpoint."},
		{exitCorrupt, "Corrupt: stored data is damaged, or not encrypted as required."},
		{ExitNotExecutable, "From coffer exec: the command can't be executed."},
		{ExitNoCommand, "From coffer exec: the command wasn't found."},
		{ExitInterrupted, "Interrupted (Ctrl-C)."},
	}
}
