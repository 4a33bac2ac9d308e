package null_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/null"
)

const canary = "canary-1f6c08"

func TestEveryServiceIsEmptyWithoutAnError(t *testing.T) {
	contents, err := null.New().Load(t.Context(), "team/api")
	if err != nil || contents.Service != "team/api" || contents.Listed != 0 || len(contents.Secrets) != 0 || len(contents.Notices) != 0 {
		t.Errorf("%+v, error %v; want nothing", contents, err)
	}
	if names, err := null.New().Services(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("services %q, error %v; want none", names, err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	s, ctx := null.New(), t.Context()
	k, bad := store.ID{Service: "api", Key: "k"}, store.ID{Service: "api", Key: "a/b"}
	v := store.NewValue(canary)
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"read":          {second(s.Read(ctx, k, store.Latest)), store.ErrNotFound},
		"read bad name": {second(s.Read(ctx, bad, store.Latest)), store.ErrInvalid},
		"history":       {second(s.History(ctx, k)), store.ErrNotFound},
		"load bad name": {second(s.Load(ctx, "../api")), store.ErrInvalid},
		"write":         {second(s.Write(ctx, k, v, store.WriteOptions{})), store.ErrUnsupported},
		"write all":     {second(s.WriteAll(ctx, "api", map[string]store.Value{"k": v}, store.WriteOptions{})), store.ErrUnsupported},
		"delete":        {second(s.Delete(ctx, "api", "k")), store.ErrUnsupported},
	} {
		var typed *store.Error
		if !errors.Is(c.err, c.want) || !errors.As(c.err, &typed) || strings.Contains(c.err.Error(), canary) {
			t.Errorf("%s: error is %v; want %v", name, c.err, c.want)
		}
		if c.want == store.ErrUnsupported && !strings.Contains(c.err.Error(), "choose s3-kms") {
			t.Errorf("%s: error %v does not say what to choose", name, c.err)
		}
	}
	if results, err := s.WriteAll(ctx, "api", nil, store.WriteOptions{}); err != nil || len(results) != 0 {
		t.Errorf("WriteAll of nothing: %d results, error %v", len(results), err)
	}
}

func second[T any](_ T, err error) error { return err }
