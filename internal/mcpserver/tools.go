package mcpserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// most is how many names, or secrets, an answer has. A model reads all of it.
const most = 1000

type servicesInput struct {
	Prefix string `json:"prefix,omitempty" jsonschema:"only services whose names begin with this"`
}

type servicesOutput struct {
	Services []string `json:"services" jsonschema:"the names, sorted"`
	More     int      `json:"more,omitempty" jsonschema:"so many more are left out"`
	Notes    []string `json:"notes,omitempty" jsonschema:"what is worth knowing about the answer"`
}

// services lists services. What the server is limited to is listed only as far as it exists.
func (s *server) services(ctx context.Context, c *app.Call, in servicesInput) (*mcp.CallToolResult, servicesOutput, error) {
	out := servicesOutput{}
	opened, err := c.Open(ctx)
	if err != nil {
		return nil, out, err
	}
	names := []string{}
	if len(s.options.Services) == 0 {
		found, err := app.ServicesThatBegin(ctx, opened, strings.TrimSuffix(in.Prefix, "/"))
		if err != nil {
			return nil, out, err
		}
		names = append(names, found...)
	}
	for _, limit := range s.options.Services {
		service, _ := app.CutLabel(limit)
		name, err := app.StoredName(ctx, opened, service)
		if err == nil {
			err = app.MustExist(ctx, opened, "find", name)
		}
		switch {
		case app.IsMissingService(err):
		case err != nil:
			return nil, out, err
		case len(name) >= len(in.Prefix) && strings.EqualFold(name[:len(in.Prefix)], in.Prefix):
			names = append(names, name)
		}
	}
	out.Services, out.More = firstOf(names)
	out.Notes = c.Notices()
	return nil, out, nil
}

type keysInput struct {
	Service string `json:"service" jsonschema:"the name of the service"`
}

type keysOutput struct {
	Service string   `json:"service" jsonschema:"the name of the service, as it is stored"`
	Keys    []string `json:"keys" jsonschema:"the keys of its secrets, sorted; also of those that can't be read"`
	More    int      `json:"more,omitempty" jsonschema:"so many more are left out"`
	Notes   []string `json:"notes,omitempty" jsonschema:"what is worth knowing about the answer"`
}

// keys lists the keys of a service. It reads no value where the backend can list secrets.
func (s *server) keys(ctx context.Context, c *app.Call, in keysInput) (*mcp.CallToolResult, keysOutput, error) {
	service, _, err := s.service(in.Service)
	if err != nil {
		return nil, keysOutput{}, err
	}
	opened, err := c.Open(ctx)
	if err != nil {
		return nil, keysOutput{}, err
	}
	out, err := app.InService(ctx, opened, service, func(service string) (keysOutput, error) {
		ids, err := app.SecretIDs(ctx, c.App, opened, service)
		if err == nil && len(ids) == 0 {
			err = app.NoSecrets("list", service, "")
		}
		keys := make([]string, len(ids))
		for i, id := range ids {
			keys[i] = id.Key
		}
		return keysOutput{Service: service, Keys: keys}, err
	})
	out.Keys, out.More = firstOf(out.Keys)
	out.Notes = c.Notices()
	return nil, out, err
}

type describeInput struct {
	Service string `json:"service" jsonschema:"the name of the service"`
	Key     string `json:"key,omitempty" jsonschema:"the key of one secret, to get all of its versions"`
}

// described is one version of a secret. It has no tags: people write anything into those.
type described struct {
	Key       string `json:"key"`
	Version   int    `json:"version"`
	Created   string `json:"created,omitempty" jsonschema:"when it was written, in UTC"`
	CreatedBy string `json:"created_by,omitempty" jsonschema:"who has written it"`
	KeyAlias  string `json:"key_alias,omitempty" jsonschema:"the alias of the key that it is encrypted under"`
}

type describeOutput struct {
	Service    string      `json:"service" jsonschema:"the name of the service, as it is stored"`
	Secrets    []described `json:"secrets" jsonschema:"the newest version of each secret, sorted by key; or the versions of one secret, oldest first"`
	Unreadable []string    `json:"unreadable,omitempty" jsonschema:"the keys of secrets that can't be read here"`
	More       int         `json:"more,omitempty" jsonschema:"so many more are left out"`
	Notes      []string    `json:"notes,omitempty" jsonschema:"what is worth knowing about the answer"`
}

// describe tells of the secrets of a service all but their values.
func (s *server) describe(ctx context.Context, c *app.Call, in describeInput) (_ *mcp.CallToolResult, out describeOutput, err error) {
	service, labeled, err := s.service(in.Service)
	if err != nil {
		return nil, out, err
	}
	var metas []store.Meta
	if in.Key == "" {
		metas, out, err = s.newest(ctx, c, labeled)
	} else {
		metas, err = s.versions(ctx, c, service, in.Key)
	}
	if err != nil {
		return nil, out, err
	}
	out.Secrets = make([]described, len(metas))
	for i, m := range metas {
		out.Service = m.ID.Service
		out.Secrets[i] = described{Key: m.ID.Key, Version: m.Version, Created: app.Timestamp(m.Created), CreatedBy: m.CreatedBy, KeyAlias: m.KeyAlias}
	}
	out.Secrets, out.More = firstOf(out.Secrets)
	out.Notes = c.Notices()
	return nil, out, nil
}

// newest returns the newest version of each secret of a service, and which can't be read.
func (s *server) newest(ctx context.Context, c *app.Call, service string) (metas []store.Meta, out describeOutput, err error) {
	c.Unverified = s.options.Read.Unverified
	all, failed, err := c.LoadReadable(ctx, []string{service}, false)
	if err == nil && len(all) > 0 {
		err = c.RefuseUnreadable(all)
	}
	if failed = append(failed, err); err != nil || len(all) == 0 {
		return nil, out, c.Report(failed...)
	}
	for _, err := range failed { // one that is damaged among others
		if err != nil {
			c.SayFailed("%s", app.Sentence(err))
		}
	}
	for _, contents := range all {
		out.Service, out.Unreadable = contents.Service, contents.Hidden
		for _, secret := range contents.Secrets {
			metas = append(metas, secret.Meta)
		}
	}
	return metas, out, nil
}

// versions returns the versions of one secret.
func (s *server) versions(ctx context.Context, c *app.Call, service, key string) ([]store.Meta, error) {
	if _, err := app.NewID(service, key); err != nil {
		return nil, err
	}
	opened, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	return app.InService(ctx, opened, service, func(service string) ([]store.Meta, error) {
		return opened.History(ctx, store.ID{Service: service, Key: key})
	})
}

// service returns the service that a client means: of a server that is limited to some, one of those, as
// the user has written it. So no other service whose name differs just in case can be meant.
func (s *server) service(typed string) (service, labeled string, err error) {
	if len(s.options.Services) == 0 {
		return typed, typed, store.CheckService(typed)
	}
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, limit := range s.options.Services {
			if service, _ := app.CutLabel(limit); same(typed, service) || same(typed, limit) {
				return service, limit, nil
			}
		}
	}
	return "", "", fmt.Errorf("%w: this server has no service %q, only %s", store.ErrInvalid, typed, strings.Join(s.options.Services, ", "))
}

// firstOf returns at most the first [most] of a list, and how many more there are. It never returns
// nil, which would be null in JSON.
func firstOf[T any](all []T) (first []T, more int) {
	more = max(0, len(all)-most)
	return append([]T{}, all[:len(all)-more]...), more
}
