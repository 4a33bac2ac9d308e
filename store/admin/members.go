package admin

import (
	"context"
	"time"
)

// Member is a person or a machine that holds the keys of a key alias.
type Member struct {
	Name      string
	Recipient string // its public key: an age recipient, or an SSH public key
	Since     time.Time
	By        string // who granted it; "" if that is unknown
	Self      bool   // it is the caller
}

// KeysPrefix begins the names of the objects that have the keys of [Teams].
const KeysPrefix = "__keys/"

// KeyObject returns the name of the object that has the key of an alias.
func KeyObject(alias string) string { return KeysPrefix + alias + ".age" }

// KeyProber is a [Teams] that can test its caller's permissions for the key object of an alias.
type KeyProber interface {
	// TryKey tests s3:GetObject and s3:PutObject. It returns one result for each action, in the order given, and
	// changes nothing.
	TryKey(ctx context.Context, alias string, actions []string) ([]Trial, error)
}

// Team is a key alias whose key is held by its members, not by a key service.
type Team struct {
	KeyAlias string
	KeyID    string    // of the current key: to be compared with what another member sees
	Number   int       // of the current key: the first one has 1
	Since    time.Time // when the current key was made
	By       string    // who made it; "" if that is unknown
	Members  []Member  // in the order in which they were granted
	Pinned   string    // the id that the configuration pins; "" if none
	Before   string    // the id of the newest key that was known here before this command; "" if none was
}

// Granted is the outcome of [Teams.Grant].
type Granted struct {
	Team    Team
	Member  Member // the one that was granted
	Was     string // the name before, of a member who was renamed; else ""
	Changed bool   // false if it was a member of this name before
}

// Grant says who becomes a member.
type Grant struct {
	Recipient string // an age recipient, an SSH public key, or the content of a file with one
	Name      string // also of one who is a member; "": a member keeps their name, another gets the comment of the SSH public key
	DryRun    bool   // only check, and change nothing
}

// Teams is a [store.Store] whose alias keys are held by members.
type Teams interface {
	// Team returns the members of an alias. Errors: [store.ErrDenied] if the caller isn't a member, or
	// there is no key yet; [*store.KeyTrustError].
	Team(ctx context.Context, alias string) (Team, error)

	// TeamAliases returns the aliases that have a key object, sorted.
	TeamAliases(ctx context.Context) ([]string, error)

	// StrangeKeys returns the names of the objects among the keys that are the key object of no alias, sorted.
	StrangeKeys(ctx context.Context) ([]string, error)

	// CreateKey makes the key of an alias that has none, with the caller as its only member. If it has
	// one, made is false.
	CreateKey(ctx context.Context, alias string) (team Team, made bool, err error)

	// Grant makes someone a member, or gives a member another name. It changes one object, however many secrets there
	// are. Errors: [store.ErrInvalid] for the recipient or the name, [store.ErrConflict] if another member has the
	// name; those of Team.
	Grant(ctx context.Context, alias string, g Grant) (Granted, error)

	// NextKey gives the alias a new key that the member doesn't get. What is encrypted under the earlier
	// keys must be rekeyed then. If the member was revoked before, changed is false. Errors:
	// [store.ErrNotFound] for a name that no member had; [store.ErrInvalid] if it is the last member, or the
	// caller; those of Team.
	NextKey(ctx context.Context, alias, member string, dryRun bool) (team Team, changed bool, err error)

	// Trust accepts the key of an alias from now on, if it has the id. Errors: [store.ErrConflict] if it has
	// another one; those of Team.
	Trust(ctx context.Context, alias, id string) (Team, error)

	// KeysInUse returns the keys under which the objects of the bucket claim to be, by the beginnings of at most most of
	// them. It opens none of them.
	KeysInUse(ctx context.Context, most int) (KeysInUse, error)

	// Self returns the recipients of the caller's identities.
	Self(ctx context.Context) (Self, error)
}

// Self is the caller, as a member.
type Self struct {
	Identity   string   // where its identity comes from: a path, or the name of a variable
	Recipients []string // none if they can't be told
}

// KeysInUse are the keys under which objects claim to be.
type KeysInUse struct {
	Keys    []KeyInUse // by alias, the most used one first
	Objects int        // in the bucket, secrets and indexes
	Looked  int        // at how many of them
}

// KeyInUse is a key under which objects claim to be. Whoever can write to the bucket can make up such a claim.
type KeyInUse struct {
	KeyAlias string
	KeyID    string
	Objects  int
	Names    []string // of some of them
	Opened   bool     // the caller opens the key object of the alias, and trusts it
	Held     bool     // that has the key, as the current or an earlier one
}
