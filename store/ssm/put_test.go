package ssm

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/clienttest"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

// firstPut has the first put meet a fault, and does something to a parameter before the n-th request
// of an operation.
func firstPut(operation string, n int, fault *mototest.Fault, act func(name string)) func(name string) func(mototest.Request) *mototest.Fault {
	return func(name string) func(mototest.Request) *mototest.Fault {
		return func(r mototest.Request) *mototest.Fault {
			if r.Operation == "PutParameter" && r.N == 1 {
				return fault
			}
			if r.Operation == operation && r.N == n {
				act(name)
			}
			return nil
		}
	}
}

// TestAPutWhoseAnswerIsLostAmongOthers has other writers and the network meet: our own put is told
// from theirs, and is made once.
func TestAPutWhoseAnswerIsLostAmongOthers(t *testing.T) {
	moto := mototest.Start(t)
	mototest.Isolate(t)
	two := 2
	lost, dropped := &mototest.Fault{Applied: true}, &mototest.Fault{}
	theirs := func(name string) { put(t, moto, name, "theirs", "3") }
	arrives := func(name string) { put(t, moto, name, canary, "3") }
	const ours, other = " " + canary + " " + testAlias, " theirs " + testAlias
	for name, c := range map[string]struct {
		fault   func(name string) func(mototest.Request) *mototest.Fault
		only    bool // under the condition that it is at version 2
		version int
		want    error
		history []string // beyond the second version
	}{
		"another one is on top": {
			fault: firstPut("GetParameters", 2, lost, func(name string) { put(t, moto, name, "theirs", "4") }), only: true,
			version: 3, history: []string{"3 3" + ours, "4 4" + other},
		},
		"another one came instead": {
			fault: firstPut("GetParameters", 2, dropped, theirs), version: 4, history: []string{"3 3" + other, "4 4" + ours},
		},
		"another one came instead, and the condition does not hold": {
			fault: firstPut("GetParameters", 2, dropped, theirs), only: true, want: store.ErrConflict, history: []string{"3 3" + other},
		},
		"it arrives behind the look": {
			fault: firstPut("PutParameter", 2, dropped, arrives), only: true, version: 3, history: []string{"3 3" + ours, "4 3" + ours},
		},
		"another one comes behind the look, and the condition does not hold": {
			fault: firstPut("PutParameter", 2, dropped, theirs), only: true, want: store.ErrConflict, history: []string{"3 3" + other, "4 3" + ours},
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := "among-" + service(t)[len(service(t))-6:]
			parameter := "/" + api + "/k"
			put(t, moto, parameter, "one", "1")
			put(t, moto, parameter, "two", "2")
			front := mototest.NewFront(t, moto)
			front.Fault(c.fault(parameter))
			o := store.WriteOptions{}
			if c.only {
				o.IfVersion = &two
			}
			r, err := openWith(t, clienttest.SSM(t, front.URL)).Write(t.Context(), id(api, "k"), store.NewValue(canary), o)
			if !errors.Is(err, c.want) || c.want == nil && (r.Meta.Version != c.version || r.Outcome != store.Updated) {
				t.Errorf("%s version %d, error %v; want version %d, error %v", r.Outcome, r.Meta.Version, err, c.version, c.want)
			}
			if diff := cmp.Diff(c.history, recordedAs(t, moto, parameter)[2:]); diff != "" {
				t.Errorf("history: %s", diff)
			}
		})
	}
}

// TestACreateThatArrivesBehindTheLookIsOurs is refused by itself the second time.
func TestACreateThatArrivesBehindTheLookIsOurs(t *testing.T) {
	moto := mototest.Start(t)
	mototest.Isolate(t)
	api, none := service(t), 0
	front := mototest.NewFront(t, moto)
	front.Fault(func(r mototest.Request) *mototest.Fault {
		switch {
		case r.Operation == "PutParameter" && r.N == 1:
			return &mototest.Fault{}
		case r.Operation == "PutParameter":
			put(t, moto, "/"+api+"/k", canary, "1")
		}
		return nil
	})
	r, err := openWith(t, clienttest.SSM(t, front.URL)).Write(t.Context(), id(api, "k"), store.NewValue(canary), store.WriteOptions{IfVersion: &none})
	if err != nil || r.Outcome != store.Created || r.Meta.Version != 1 {
		t.Errorf("%s version %d, error %v; want created version 1", r.Outcome, r.Meta.Version, err)
	}
	if got := recordedAs(t, moto, "/"+api+"/k"); len(got) != 1 {
		t.Errorf("history %q; want one version", got)
	}
}

// TestChangesThatNeverArriveAreTriedAsOftenAsAnyRequest: what is not repeated by the SDK is repeated
// here.
func TestChangesThatNeverArriveAreTriedAsOftenAsAnyRequest(t *testing.T) {
	moto := mototest.Start(t)
	mototest.Isolate(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	front := mototest.NewFront(t, moto)
	s := openWith(t, clienttest.SSM(t, front.URL))
	for operation, change := range map[string]func() error{
		"PutParameter": func() error {
			_, err := s.Write(t.Context(), id(api, "k"), store.NewValue(canary), store.WriteOptions{})
			return err
		},
		"DeleteParameters": func() error {
			_, err := s.Delete(t.Context(), api, "k")
			return err
		},
	} {
		front.Fault(func(r mototest.Request) *mototest.Fault {
			if r.Operation == operation {
				return &mototest.Fault{Status: 503, Code: "ServiceUnavailable"}
			}
			return nil
		})
		if err := change(); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: error is %v; want unavailable, and no doubt", operation, err)
		}
		sent := 0
		for _, r := range front.Seen() {
			if r.Operation == operation {
				sent++
			}
		}
		if sent != awsconf.DefaultRetries {
			t.Errorf("%s was sent %d times; want %d", operation, sent, awsconf.DefaultRetries)
		}
		if got := recordedAs(t, moto, "/"+api+"/k"); len(got) != 1 {
			t.Errorf("%s: history %q", operation, got)
		}
	}
}
