package mcpserver

import (
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaOf returns the JSON schema of a struct. A list is an array in it, and not null or an array, as
// the SDK would have it: some clients know only schemas with one type for each value.
func schemaOf[T any]() *jsonschema.Schema {
	schema, err := jsonschema.For[T](nil)
	if err != nil {
		panic(fmt.Sprintf("schema of %T: %v", *new(T), err)) // each type has been seen by the tests
	}
	oneType(schema)
	return schema
}

func oneType(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	if s.Items != nil {
		oneType(s.Items)
	}
	for _, property := range s.Properties {
		oneType(property)
	}
}
