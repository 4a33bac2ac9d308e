package admin

import "context"

// Inquiry is the result of one test of a server, made with temporary objects.
type Inquiry struct {
	Name string
	Kept Verdict // Allowed: the server does as S3 does; Refused: it does not
	Seen string  // what the server did, as a clause: partly the server's own words
}

// Inquirer is a [store.Store] on an S3 server, which may implement less of S3 than AWS does.
type Inquirer interface {
	// Inquire tests everything of the server that commands depend on, with temporary objects in a
	// service. It returns an error if nothing could be tested.
	Inquire(ctx context.Context, service string) ([]Inquiry, error)
}
