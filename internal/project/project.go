// Package project parses a project's file, coffer.yaml: which services a program needs, which keys must
// exist and what their values look like, and which variables are built from secrets.
//
// The file belongs to a repository, so it may come from somebody else. Nothing in it can change
// where secrets come from, write, or run anything. This package reads no file: see package locate.
package project

import (
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/template"
)

// Name is the usual name of the file.
const Name = "coffer.yaml"

// The limits of a file.
const (
	MaxBytes    = 256 << 10
	MaxServices = 50 // those that references name included
	MaxKeys     = 1000
)

// File is a valid project's file. Names of services and keys are as they are written, and are looked up
// like those of a command line.
type File struct {
	Name      string // of the file itself, for messages
	Services  []string
	Keys      []Key      // in their order in the file
	Variables []Variable // likewise
}

// Key is a key that the program needs.
type Key struct {
	Name        string
	Type        string // one of [Types]; "" accepts every value
	Optional    bool
	Description string
	Variable    string // the name of its variable; "" for the usual one
	Line        int
}

// VariableName returns the name of the key's variable; "" if the key can't be one. The prefix is that of
// the command line. It is not put before a name that the file chooses.
func (k Key) VariableName(prefix string) string {
	if k.Variable != "" {
		return k.Variable
	}
	name, _ := environ.Name(k.Name, prefix)
	return name
}

// Variable is a variable that is put together from secrets.
type Variable struct {
	Name string
	Line int

	text *template.Template
}

// Every returns the services that are read: those of the file, then those that only references name.
func (f *File) Every() []string {
	all := slices.Clone(f.Services)
	for _, v := range f.Variables {
		for _, use := range v.text.Uses() {
			if !slices.Contains(all, use.Reference.Service) {
				all = append(all, use.Reference.Service)
			}
		}
	}
	return all
}

// find returns the entry of a stored key; nil if the file has none. among are the keys of the service: a
// name in another case means a key only if no other key has exactly that name.
func (f *File) find(key string, among []string) *Key {
	var twin *Key
	for i, k := range f.Keys {
		switch {
		case k.Name == key:
			return &f.Keys[i]
		case strings.EqualFold(k.Name, key) && !slices.Contains(among, k.Name):
			twin = &f.Keys[i]
		}
	}
	return twin
}
