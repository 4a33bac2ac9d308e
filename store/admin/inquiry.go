package admin

import "context"

// Inquiry is one thing that a server was asked, on objects of nobody.
type Inquiry struct {
	Name string
	Kept Verdict // Allowed: the server does as S3 does; Refused: it does not
	Seen string  // what it did, as a clause: partly the server's own words
}

// Inquirer is a [store.Store] on a server of S3, which may know less of it than AWS does.
type Inquirer interface {
	// Inquire asks the server everything that a command can rest on, with objects beside those of
	// a service, which are deleted again. The error is one that left nothing to ask.
	Inquire(ctx context.Context, service string) ([]Inquiry, error)
}
