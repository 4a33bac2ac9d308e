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
		{ExitOther, "Another error. coffer diff: the two sides differ. coffer doctor: something needs repair."},
		{exitUsage, "The command line or a name is wrong."},
		{exitNotFound, "There is no such service, secret or version."},
		{exitConflict, "Another writer, or what is stored, prevents the change."},
		{exitDenied, "You don't have a permission that is needed."},
		{exitUnavailable, "No answer, or not in time. The same command may work later."},
		{exitConfiguration, "The configuration is wrong: credentials, region, bucket, key or endpoint."},
		{exitCorrupt, "Stored data is damaged, or isn't what it should be."},
		{ExitNotExecutable, "coffer exec: the command can't be run."},
		{ExitNoCommand, "coffer exec: there is no such command."},
		{exitInterrupted, "Interrupted (Ctrl-C)."},
	}
}
