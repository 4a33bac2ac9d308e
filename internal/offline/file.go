package offline

import (
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
)

// fileJSON is what is encrypted.
type fileJSON struct {
	Format   int               `json:"format"`
	Subject  Subject           `json:"for"`
	Place    string            `json:"place"`
	ReadAt   string            `json:"read_at"`
	Limit    int64             `json:"limit"` // seconds
	State    map[string]string `json:"state,omitempty"`
	Session  bool              `json:"session,omitzero"`
	Withheld []string          `json:"withheld,omitempty"`

	Service string       `json:"service"` // as it is stored
	Listed  int          `json:"listed"`
	Hidden  []string     `json:"hidden,omitempty"`
	Denied  []deniedJSON `json:"denied,omitempty"`
	Secrets []secretJSON `json:"secrets"`
}

type deniedJSON struct {
	Object string `json:"object"`
	Alias  string `json:"alias"`
	Reason string `json:"reason"`
}

type secretJSON struct {
	Key       string `json:"key"`
	Version   int    `json:"version"`
	Created   string `json:"created,omitzero"`
	CreatedBy string `json:"created_by,omitzero"`
	Alias     string `json:"alias,omitzero"`
	Value     []byte `json:"value"` // bytes: a value needn't be UTF-8
}

func toFile(c Copy) fileJSON {
	f := fileJSON{
		Format: format, Subject: c.Subject, Place: c.Place, ReadAt: strictjson.FormatTime(c.ReadAt), Limit: int64(c.Limit / time.Second),
		State: c.State, Session: c.Session, Withheld: c.Withheld, Service: c.Contents.Service, Listed: c.Contents.Listed, Hidden: c.Contents.Hidden,
	}
	for _, d := range c.Contents.Denied {
		f.Denied = append(f.Denied, deniedJSON{Object: d.Object, Alias: d.KeyAlias, Reason: d.Reason})
	}
	for _, s := range c.Contents.Secrets {
		f.Secrets = append(f.Secrets, secretJSON{
			Key: s.ID.Key, Version: s.Version, Created: strictjson.FormatTime(s.Created), CreatedBy: s.CreatedBy,
			Alias: s.KeyAlias, Value: []byte(s.Value.Reveal()),
		})
	}
	return f
}

// fromFile returns nil for what this version didn't write.
func fromFile(plain []byte) *Copy {
	var f fileJSON
	if strictjson.Unmarshal(plain, &f) != nil || f.Format != format {
		return nil
	}
	c := &Copy{
		Subject: f.Subject, Place: f.Place, ReadAt: strictjson.ParseTime(f.ReadAt), Limit: time.Duration(f.Limit) * time.Second, State: f.State,
		Session: f.Session, Withheld: f.Withheld,
		Contents: store.Contents{Service: f.Service, Listed: f.Listed, Hidden: f.Hidden},
	}
	for _, d := range f.Denied {
		c.Contents.Denied = append(c.Contents.Denied, store.DeniedIndex{Object: d.Object, KeyAlias: d.Alias, Reason: d.Reason})
	}
	for _, s := range f.Secrets {
		c.Contents.Secrets = append(c.Contents.Secrets, store.Secret{
			Meta: store.Meta{
				ID: store.ID{Service: f.Service, Key: s.Key}, Version: s.Version, Created: strictjson.ParseTime(s.Created),
				CreatedBy: s.CreatedBy, KeyAlias: s.Alias,
			},
			Value: store.NewValue(string(s.Value)),
		})
	}
	return c
}
