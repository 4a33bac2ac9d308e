package teamkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

var object = teamkeys.ObjectName(alias)

func wantDistrust(t *testing.T, err error, want store.KeyTrustError) {
	t.Helper()
	var doubt *store.KeyTrustError
	want.Alias, want.Object = alias, object
	if !errors.As(err, &doubt) || *doubt != want {
		t.Errorf("error %#v, want %+v", err, want)
	}
}

// forge replaces the key object by one that a stranger has made for all members.
func forge(t *testing.T, b *membucket.Bucket, members ...*person) (id string) {
	t.Helper()
	other := membucket.New(membucket.Options{})
	eve := newPerson(t, "eve")
	first := []teamkeys.Member{eve.member()}
	for _, m := range members {
		first = append(first, m.member())
	}
	team, _, err := eve.keys(other).Create(t.Context(), alias, first)
	if err != nil {
		t.Fatal(err)
	}
	b.Plant(object, other.Objects()[object].Body, bucket.Seal{})
	return team.Keys[0].ID
}

func TestAForgedKeyObjectForAllMembersIsRefused(t *testing.T) {
	ann := newPerson(t, "ann")
	b, team := created(t, ann)
	trusted := team.Keys[0].ID
	forged := forge(t, b, ann)
	calls := map[string]func(k *teamkeys.Keys) error{
		"current": func(k *teamkeys.Keys) error { _, err := k.Current(t.Context(), alias); return err },
		"find":    func(k *teamkeys.Keys) error { _, err := k.Find(t.Context(), alias, forged); return err },
		"id":      func(k *teamkeys.Keys) error { _, err := k.ID(t.Context(), alias); return err },
		"members": func(k *teamkeys.Keys) error { _, err := k.Members(t.Context(), alias); return err },
		"grant": func(k *teamkeys.Keys) error {
			_, err := k.Grant(t.Context(), alias, teamkeys.Grant{Name: "x", Recipient: badPoint})
			return err
		},
		"next": func(k *teamkeys.Keys) error { _, _, err := k.Next(t.Context(), alias, "eve"); return err },
		"create": func(k *teamkeys.Keys) error {
			_, _, err := k.Create(t.Context(), alias, []teamkeys.Member{ann.member()})
			return err
		},
	}
	for what, call := range calls {
		wantDistrust(t, call(ann.keys(b)), store.KeyTrustError{KeyID: forged, Want: trusted})
		if err := call(ann.keys(b)); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v is not %v", what, err, store.ErrCorrupt)
		}
	}
	pinned := with(ann.options(b), func(o *teamkeys.Options) {
		o.State, o.TrustOnFirstUse, o.Pins = nil, true, map[string]string{alias: trusted}
	})
	for _, call := range calls {
		wantDistrust(t, call(teamkeys.New(pinned)), store.KeyTrustError{KeyID: forged, Want: trusted, Pinned: true})
	}
	if ann.state.seen[alias].ID != trusted {
		t.Errorf("the state has %+v", ann.state.seen)
	}
}

func TestAnOldKeyObjectPutBackIsRefused(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, team := created(t, ann)
	granted(t, b, ann, bob)
	old := b.Objects()[object].Body
	next, _, err := ann.keys(b).Next(t.Context(), alias, "bob")
	if err != nil {
		t.Fatal(err)
	}
	b.Plant(object, old, bucket.Seal{})
	_, err = ann.keys(b).Current(t.Context(), alias)
	wantDistrust(t, err, store.KeyTrustError{KeyID: team.Keys[0].ID, Want: next.Keys[0].ID, Older: true})
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v is not %v", err, store.ErrCorrupt)
	}
	// A pin of the first key doesn't help who puts it back.
	_, err = teamkeys.New(with(ann.options(b), func(o *teamkeys.Options) { o.Pins = map[string]string{alias: team.Keys[0].ID} })).Current(t.Context(), alias)
	wantDistrust(t, err, store.KeyTrustError{KeyID: team.Keys[0].ID, Want: next.Keys[0].ID, Older: true})

	// A stranger's object with a low number isn't called an old one.
	forged := forge(t, b, ann)
	_, err = ann.keys(b).Current(t.Context(), alias)
	wantDistrust(t, err, store.KeyTrustError{KeyID: forged, Want: next.Keys[0].ID})
	b.Plant(object, old, bucket.Seal{})

	// Told so, a person can accept it.
	if _, err := ann.keys(b).Trust(t.Context(), alias, next.Keys[0].ID); !errors.Is(err, store.ErrConflict) {
		t.Errorf("trust of the key that isn't there: %v", err)
	}
	if _, err := ann.keys(b).Trust(t.Context(), alias, team.Keys[0].ID); err != nil {
		t.Error(err)
	}
	if key, err := ann.keys(b).Current(t.Context(), alias); err != nil || key.ID != team.Keys[0].ID {
		t.Errorf("%v, %v", key, err)
	}
}

func TestAKeyThatSucceedsABelievedOneIsBelieved(t *testing.T) {
	ann, bob, cat := newPerson(t, "ann"), newPerson(t, "bob"), newPerson(t, "cat")
	b, team := created(t, ann)
	granted(t, b, ann, bob)
	granted(t, b, ann, cat)
	if _, err := bob.keys(b).Current(t.Context(), alias); err != nil { // remembers the first key
		t.Fatal(err)
	}
	next, _, err := ann.keys(b).Next(t.Context(), alias, "cat")
	if err != nil {
		t.Fatal(err)
	}
	bob.notices = nil
	if key, err := bob.keys(b).Current(t.Context(), alias); err != nil || key.ID != next.Keys[0].ID {
		t.Errorf("%v, %v", key, err)
	}
	if want := "alias/app has a new key: " + next.Keys[0].ID + `, made by "ann"`; len(bob.notices) != 1 || bob.notices[0] != want {
		t.Errorf("notices %q, want %q", bob.notices, want)
	}
	if got := bob.state.seen[alias]; !reflect.DeepEqual(got, teamkeys.Seen{ID: next.Keys[0].ID, Number: 2, Earlier: []string{team.Keys[0].ID}}) {
		t.Errorf("the state has %+v", got)
	}
	ci := with(bob.options(b), func(o *teamkeys.Options) { o.State, o.Pins = nil, map[string]string{alias: team.Keys[0].ID} })
	if key, err := teamkeys.New(ci).Current(t.Context(), alias); err != nil || key.ID != next.Keys[0].ID {
		t.Errorf("with a pin of the first key: %v, %v", key, err)
	}
}

func TestFirstUseIsSaidAndRemembered(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, team := created(t, ann)
	granted(t, b, ann, bob)
	for range 2 {
		if _, err := bob.keys(b).Current(t.Context(), alias); err != nil {
			t.Fatal(err)
		}
	}
	if len(bob.notices) != 1 || !strings.Contains(bob.notices[0], "trusted on first use: "+team.Keys[0].ID) || !strings.Contains(bob.notices[0], "coffer keys members alias/app") {
		t.Errorf("notices %q", bob.notices)
	}
	// A first use that can't be remembered would be a first use each time.
	bob.state = &state{fail: errors.New("read-only file system")}
	if _, err := bob.keys(b).Current(t.Context(), alias); err == nil || !strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("error %v", err)
	}
}

func TestWithoutAStateAPinIsRequired(t *testing.T) {
	ann := newPerson(t, "ann")
	b, team := created(t, ann)
	id := team.Keys[0].ID
	ci := func(change func(*teamkeys.Options)) *teamkeys.Keys {
		return teamkeys.New(with(ann.options(b), func(o *teamkeys.Options) { o.State = nil; change(o) }))
	}
	_, err := ci(func(*teamkeys.Options) {}).Current(t.Context(), alias)
	wantDistrust(t, err, store.KeyTrustError{KeyID: id})
	if !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("%v is not %v", err, store.ErrConfiguration)
	}
	if _, err := ci(func(o *teamkeys.Options) { o.TrustOnFirstUse = true }).Current(t.Context(), alias); err != nil {
		t.Error(err)
	}
	if _, err := ci(func(o *teamkeys.Options) { o.Pins = map[string]string{alias: id} }).Current(t.Context(), alias); err != nil {
		t.Error(err)
	}
	_, err = ci(func(*teamkeys.Options) {}).Trust(t.Context(), alias, id)
	wantDistrust(t, err, store.KeyTrustError{KeyID: id})

	// A key that couldn't be recognised later is not created either.
	empty := membucket.New(membucket.Options{})
	_, _, err = ci(func(o *teamkeys.Options) { o.Bucket = empty }).Create(t.Context(), alias, []teamkeys.Member{ann.member()})
	wantDistrust(t, err, store.KeyTrustError{})
	if len(empty.Objects()) > 0 {
		t.Error("a key was created")
	}
}

func TestTheKeyObjectOfAnotherAliasIsRefused(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	if _, _, err := ann.keys(b).Create(t.Context(), "alias/ops", []teamkeys.Member{ann.member()}); err != nil {
		t.Fatal(err)
	}
	b.Plant(object, b.Objects()[teamkeys.ObjectName("alias/ops")].Body, bucket.Seal{})
	for _, s := range []*state{ann.state, {}} { // also on first use
		ann.state = s
		_, err := ann.keys(b).Current(t.Context(), alias)
		wantFault(t, err, bucket.ErrTorn, store.CodeDamagedTeamKey)
		if err != nil && !strings.Contains(err.Error(), `it is the key object of "alias/ops"`) {
			t.Error(err)
		}
	}
}

// plaintext opens the key object, and replaced returns it sealed anew with another content.
func plaintext(t *testing.T, b *membucket.Bucket, p *person) map[string]any {
	t.Helper()
	r, err := age.Decrypt(bytes.NewReader(b.Objects()[object].Body), p.identity)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func sealTo(t testing.TB, p *person, body []byte) []byte {
	t.Helper()
	to, err := age.ParseX25519Recipient(p.recipient)
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

// A stranger knows the id of the real key, which is no secret. It must not help.
func TestAKeyObjectThatClaimsTheRealIDIsRefused(t *testing.T) {
	ann := newPerson(t, "ann")
	b, team := created(t, ann)
	forge(t, b, ann)
	for what, change := range map[string]func(doc map[string]any){
		"as the id of its key": func(doc map[string]any) {
			doc["keys"].([]any)[0].(map[string]any)["id"] = team.Keys[0].ID
		},
		"as an earlier key without its bytes": func(doc map[string]any) {
			doc["number"] = 2
			doc["keys"].([]any)[0].(map[string]any)["number"] = 2
			doc["keys"] = append(doc["keys"].([]any), map[string]any{"id": team.Keys[0].ID, "number": 1})
		},
		"as an earlier key with other bytes": func(doc map[string]any) {
			doc["number"] = 2
			doc["keys"].([]any)[0].(map[string]any)["number"] = 2
			doc["keys"] = append(doc["keys"].([]any), map[string]any{"id": team.Keys[0].ID, "number": 1, "key": make([]byte, 32)})
		},
	} {
		doc := plaintext(t, b, ann)
		change(doc)
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		forged := membucket.New(membucket.Options{})
		forged.Plant(object, sealTo(t, ann, body), bucket.Seal{})
		for _, k := range []*teamkeys.Keys{ann.keys(forged), teamkeys.New(with(ann.options(forged), func(o *teamkeys.Options) {
			o.State, o.Pins = nil, map[string]string{alias: team.Keys[0].ID}
		}))} {
			if key, err := k.Current(t.Context(), alias); !errors.Is(err, bucket.ErrTorn) {
				t.Errorf("%s: %v, %v", what, key, err)
			}
		}
	}
}

func TestADamagedOrHugeKeyObjectIsRefused(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	whole := b.Objects()[object].Body
	good := plaintext(t, b, ann)
	document := func(change func(doc map[string]any)) []byte {
		doc := plaintext(t, b, ann)
		change(doc)
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return sealTo(t, ann, body)
	}
	secret, _ := good["keys"].([]any)[0].(map[string]any)["key"].(string)
	for what, body := range map[string][]byte{
		"empty":          {},
		"truncated":      whole[:len(whole)-1],
		"half":           whole[:len(whole)/2],
		"longer":         append(bytes.Clone(whole), 'x'),
		"changed":        changedAt(whole, len(whole)-20),
		"a changed MAC":  changedAt(whole, bytes.Index(whole, []byte("\n---"))+10),
		"not age":        []byte(`{"key":"` + secret + `"}`),
		"huge":           bytes.Repeat([]byte("x"), 9<<20),
		"a huge header":  append([]byte("age-encryption.org/v1\n"), bytes.Repeat([]byte("-> X25519 a\nYQ\n"), 150_000)...),
		"not JSON":       sealTo(t, ann, []byte(secret)),
		"a name twice":   sealTo(t, ann, []byte(`{"coffer":1,"coffer":1}`)),
		"a newer format": document(func(doc map[string]any) { doc["coffer"] = 2 }),
		"no format":      document(func(doc map[string]any) { delete(doc, "coffer") }),
		"no keys":        document(func(doc map[string]any) { doc["keys"] = []any{} }),
		"no members":     document(func(doc map[string]any) { doc["members"] = []any{} }),
		"a member twice": document(func(doc map[string]any) {
			doc["members"] = append(doc["members"].([]any), doc["members"].([]any)[0])
		}),
		"a member without a name": document(func(doc map[string]any) { delete(doc["members"].([]any)[0].(map[string]any), "name") }),
		"a key twice": document(func(doc map[string]any) {
			doc["keys"] = append(doc["keys"].([]any), doc["keys"].([]any)[0])
		}),
		"another number":          document(func(doc map[string]any) { doc["number"] = 1 << 40 }),
		"another number of a key": document(func(doc map[string]any) { doc["keys"].([]any)[0].(map[string]any)["number"] = 7 }),
		"a short key":             document(func(doc map[string]any) { doc["keys"].([]any)[0].(map[string]any)["key"] = "YWJj" }),
	} {
		b.Plant(object, body, bucket.Seal{})
		_, err := ann.keys(b).Current(t.Context(), alias)
		if !errors.Is(err, bucket.ErrTorn) {
			t.Errorf("%s: %v", what, err)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "YWJj") {
			t.Errorf("%s: the error quotes it: %v", what, err)
		}
	}
}

// A stanza that was changed can't be told from one for somebody else.
func TestAChangedStanzaLocksItsMemberOut(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, _ := created(t, ann)
	granted(t, b, ann, bob)
	changed := bytes.Clone(b.Objects()[object].Body)
	share := changed[bytes.Index(changed, []byte("X25519"))+20:]
	share[0] = map[bool]byte{true: 'B', false: 'A'}[share[0] == 'A'] // it stays base64
	b.Plant(object, changed, bucket.Seal{})
	_, err := ann.keys(b).Current(t.Context(), alias)
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
	_, err = bob.keys(b).Current(t.Context(), alias) // whose stanza is as it was
	wantFault(t, err, bucket.ErrTorn, store.CodeDamagedTeamKey)
}

func changedAt(body []byte, i int) []byte {
	body = bytes.Clone(body)
	body[i] ^= 1
	return body
}

func TestADeletedKeyObjectIsToldAndNotReplaced(t *testing.T) {
	ann := newPerson(t, "ann")
	self := func(o *teamkeys.Options) {
		o.Self = func(context.Context) ([]teamkeys.Member, error) { return []teamkeys.Member{ann.member()}, nil }
	}
	none := func(*teamkeys.Options) {}
	for what, test := range map[string]struct {
		client func(id string) func(*teamkeys.Options)
		index  string
	}{
		"the state remembers": {func(string) func(*teamkeys.Options) { return none }, ""},
		"the pin remembers": {func(id string) func(*teamkeys.Options) {
			return func(o *teamkeys.Options) { o.State, o.Pins = nil, map[string]string{alias: id} }
		}, ""},
		"an index remembers": {func(string) func(*teamkeys.Options) {
			return func(o *teamkeys.Options) { o.State = &state{} }
		}, "web/eu/__kms_alias_app__latest.json"},
	} {
		ann.state = &state{}
		b, team := created(t, ann)
		if err := b.Delete(t.Context(), object, bucket.If{}); err != nil {
			t.Fatal(err)
		}
		if test.index != "" {
			b.Plant(test.index, nil, bucket.Seal{})
		}
		k := teamkeys.New(with(with(ann.options(b), self), test.client(team.Keys[0].ID)))
		_, err := k.Current(t.Context(), alias)
		wantFault(t, err, bucket.ErrDenied, store.CodeLostTeamKey)
		_, _, err = k.Create(t.Context(), alias, []teamkeys.Member{ann.member()})
		wantFault(t, err, bucket.ErrDenied, store.CodeLostTeamKey)
		if _, made := b.Objects()[object]; made {
			t.Errorf("%s: a new key was made", what)
		}
	}
	b := membucket.New(membucket.Options{})
	_, err := newPerson(t, "bob").keys(b).Find(t.Context(), alias, teamseal.NewKey(alias).ID)
	wantFault(t, err, bucket.ErrDenied, store.CodeNoTeamKey)
}
