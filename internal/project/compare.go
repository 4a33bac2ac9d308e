package project

import (
	"cmp"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Status is what a comparison with a store says of a key.
type Status string

// The statuses of keys.
const (
	Present    Status = "present"    // needed, and stored
	Missing    Status = "missing"    // needed, and not stored
	Absent     Status = "absent"     // optional, and not stored
	Undeclared Status = "undeclared" // stored, and not in the file
	Unused     Status = "unused"     // stored, but a later service or a variable of the file takes its place
)

// Row is one key of a comparison.
type Row struct {
	Status      Status `json:"status"`
	Service     string `json:"service,omitempty"` // "" for a key that no service has
	Key         string `json:"key,omitempty"`     // "" for a service without secrets
	Variable    string `json:"variable,omitempty"`
	Type        string `json:"type,omitempty"`
	Description string `json:"description,omitempty"`
	Nearest     string `json:"nearest,omitempty"`
}

// Listing is the keys of one service, without their values.
type Listing struct {
	Service string // as it is stored
	Keys    []string
}

// Compare compares the file with the keys of all its services, in the order of [File.Every]; a service
// without secrets has none. The rows are sorted by status, service and key: what is missing comes first.
func (f *File) Compare(all []Listing) []Row {
	contents := make([]store.Contents, len(all))
	for i, l := range all {
		contents[i] = store.Contents{Service: l.Service, Hidden: l.Keys}
	}
	c := comparison{file: f, all: contents}
	c.own = f.listed(contents)
	for _, l := range all {
		if len(l.Keys) == 0 {
			c.rows = append(c.rows, Row{Status: Missing, Service: l.Service})
		}
	}
	c.declared()
	c.referenced()
	c.stored()
	order := []Status{Missing, Unused, Undeclared, Absent, Present}
	slices.SortStableFunc(c.rows, func(a, b Row) int {
		return cmp.Or(slices.Index(order, a.Status)-slices.Index(order, b.Status), strings.Compare(a.Service, b.Service), strings.Compare(a.Key, b.Key))
	})
	return c.rows
}

type comparison struct {
	file *File
	all  []store.Contents // the keys are those of Hidden: no value is known
	own  []store.Contents
	used map[store.ID]bool // secrets that have their row
	rows []Row
}

// lastWith returns the last service that has a key, and the key as it is stored there; "" if none has it.
func lastWith(all []store.Contents, name string) store.ID {
	for _, c := range slices.Backward(all) {
		if key, err := store.Match("secret", name, c.Hidden); err == nil {
			return store.ID{Service: c.Service, Key: key}
		}
	}
	return store.ID{}
}

// declared adds a row for each key of the file.
func (c *comparison) declared() {
	c.used = map[store.ID]bool{}
	for _, k := range c.file.Keys {
		id := lastWith(c.own, k.Name)
		row := Row{Status: Present, Service: id.Service, Key: id.Key, Variable: k.VariableName(""), Type: k.Type, Description: k.Description}
		switch {
		case id.Key != "":
			c.used[id] = true
		case k.Optional:
			row.Status, row.Key = Absent, k.Name
		default:
			row.Status, row.Key = Missing, k.Name
			var keys []string
			for _, other := range c.own {
				keys = append(keys, other.Hidden...)
			}
			row.Nearest = nearest(k.Name, keys)
		}
		c.rows = append(c.rows, row)
	}
}

// referenced adds a row for each secret that a variable is put together from, and that has no row yet.
func (c *comparison) referenced() {
	names, missing := namesOf(c.all), map[store.ID]bool{}
	for _, v := range c.file.Variables {
		for _, use := range v.text.Uses() {
			id := use.Reference.ID()
			var keys []string
			if service, err := store.Match("service", id.Service, names); err == nil {
				id.Service = service
				keys = c.all[slices.Index(names, service)].Hidden
			}
			key, err := store.Match("secret", id.Key, keys)
			switch {
			case err != nil && !missing[id]:
				missing[id] = true
				row := Row{Status: Missing, Service: id.Service, Key: id.Key, Variable: v.Name}
				if len(missing) <= mostShown { // it is a comparison with every key
					row.Nearest = nearest(id.Key, keys)
				}
				c.rows = append(c.rows, row)
			case err == nil && !c.used[store.ID{Service: id.Service, Key: key}]:
				id.Key = key
				c.used[id] = true
				c.rows = append(c.rows, Row{Status: Present, Service: id.Service, Key: id.Key, Variable: v.Name})
			}
		}
	}
}

// stored adds a row for each secret of the listed services that the file doesn't mention, or that never
// reaches the program.
func (c *comparison) stored() {
	taken := map[string]bool{} // variables that something later sets
	for _, v := range c.file.Variables {
		taken[v.Name] = true
	}
	for _, service := range slices.Backward(c.own) {
		var names []string
		for _, key := range service.Hidden {
			k, declared := Key{Name: key}, c.file.find(key, service.Hidden)
			if declared != nil {
				k = *declared
				k.Name = key
			}
			row := Row{Service: service.Service, Key: key, Variable: k.VariableName("")}
			names = append(names, row.Variable)
			switch {
			case c.used[store.ID{Service: service.Service, Key: key}]:
				continue
			case taken[row.Variable]:
				row.Status = Unused
			default: // also the one of two keys that differ in case that is not meant
				row.Status = Undeclared
			}
			c.rows = append(c.rows, row)
		}
		for _, name := range names {
			taken[name] = true
		}
	}
}

// Count returns the number of rows with a status.
func Count(rows []Row, status Status) int {
	n := 0
	for _, r := range rows {
		if r.Status == status {
			n++
		}
	}
	return n
}
