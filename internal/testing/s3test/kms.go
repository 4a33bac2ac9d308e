package s3test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// KMS holds keys and aliases of one account and region. S3 asks it before it reads or writes an object under aws:kms.
type KMS struct {
	region, account string

	mu      sync.RWMutex
	keys    map[string]*key   // by ARN
	aliases map[string]string // alias/name to key ARN
}

type key struct {
	arn     string
	state   KeyState
	signing bool
}

// KeyState is what a key can be used for.
type KeyState string

// States of a key, as DescribeKey spells them; a deleted key is unknown, and its aliases are gone.
const (
	Enabled         KeyState = "Enabled"
	Disabled        KeyState = "Disabled"
	PendingDeletion KeyState = "PendingDeletion"
	Deleted         KeyState = "Deleted"
)

func newKMS(region, account string) *KMS {
	k := &KMS{region: region, account: account, keys: map[string]*key{}, aliases: map[string]string{}}
	k.CreateKey("alias/aws/s3")
	return k
}

// CreateKey makes an enabled key with any number of aliases ("alias/app") and gives its ARN. Aliases of other keys move to it.
func (k *KMS) CreateKey(aliases ...string) string {
	return k.create(&key{state: Enabled}, aliases)
}

// CreateSigningKey makes a key that cannot encrypt: S3 answers 400 KMS.InvalidKeyUsageException.
func (k *KMS) CreateSigningKey(aliases ...string) string {
	return k.create(&key{state: Enabled, signing: true}, aliases)
}

func (k *KMS) create(made *key, aliases []string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	made.arn = k.keyARN(fmt.Sprintf("00000000-0000-4000-8000-%012d", len(k.keys)+1))
	k.keys[made.arn] = made
	for _, alias := range aliases {
		k.aliases[alias] = made.arn
	}
	return made.arn
}

// PointAlias makes an alias, or points it to another key, named in any way. It panics when there is no such key.
func (k *KMS) PointAlias(alias, keyName string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.find(keyName)
	if err != nil {
		panic(err)
	}
	k.aliases[alias] = found.arn
}

// DeleteAlias forgets an alias. What was encrypted through it stays under its key.
func (k *KMS) DeleteAlias(alias string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.aliases, alias)
}

// SetState changes the state of a key, named in any way. Deleted is for ever. It panics when there is no such key.
func (k *KMS) SetState(keyName string, state KeyState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.find(keyName)
	if err != nil {
		panic(err)
	}
	found.state = state
	if state != Deleted {
		return
	}
	for alias, arn := range k.aliases {
		if arn == found.arn {
			delete(k.aliases, alias)
		}
	}
}

// ARN gives the key that a name (key id, key ARN, alias or alias ARN) leads to now; "" when there is none.
func (k *KMS) ARN(name string) string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	found, err := k.find(name)
	if err != nil {
		return ""
	}
	return found.arn
}

// use resolves a key for an action of S3's in the caller's name, and fails as S3 does when KMS refuses. Who nil is never denied.
func (k *KMS) use(name, action string, who *identity, denied []string) (arn string, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	found, err := k.find(name)
	if err != nil {
		return "", err
	}
	for _, d := range denied {
		if d == "*" || k.names(d, found) {
			return "", fail(403, "AccessDenied", userMessage(who.arn, action, found.arn)+
				" because no identity-based policy allows the "+action+" action")
		}
	}
	switch {
	case found.signing:
		return "", fail(400, "KMS.InvalidKeyUsageException", found.arn+" key usage is SIGN_VERIFY which is not valid for "+
			strings.TrimPrefix(action, "kms:")+".")
	case found.state == Disabled:
		return "", fail(400, "KMS.DisabledException", found.arn+" is disabled.")
	case found.state == PendingDeletion:
		return "", fail(400, "KMS.KMSInvalidStateException", found.arn+" is pending deletion.")
	}
	return found.arn, nil
}

// names tells whether a name leads to a key.
func (k *KMS) names(name string, to *key) bool {
	found, err := k.find(name)
	return err == nil && found == to
}

var keyID = regexp.MustCompile(`^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// find resolves any name of a key. An unqualified one belongs to the server's own account and region.
func (k *KMS) find(name string) (*key, error) {
	arn := name
	switch {
	case strings.HasPrefix(name, "arn:"):
		if err := k.checkARN(name); err != nil {
			return nil, err
		}
	case strings.HasPrefix(name, "alias/"):
		arn = k.arn(name)
	case keyID.MatchString(name):
		arn = k.keyARN(name)
	default:
		return nil, keyNotFound("Invalid keyId '" + name + "'")
	}
	if alias, ok := strings.CutPrefix(arn, k.arn("")); ok && strings.HasPrefix(alias, "alias/") {
		target, ok := k.aliases[alias]
		if !ok {
			return nil, keyNotFound("Alias " + arn + " is not found.")
		}
		arn = target
	}
	found := k.keys[arn]
	if found == nil || found.state == Deleted {
		return nil, keyNotFound("Key '" + arn + "' does not exist")
	}
	return found, nil
}

// checkARN refuses the ARN of another region, which S3 cannot use.
func (k *KMS) checkARN(arn string) error {
	parts := strings.SplitN(arn, ":", 6)
	switch {
	case len(parts) < 6 || parts[2] != "kms":
		return keyNotFound("Invalid keyId '" + arn + "'")
	case parts[3] != k.region:
		return keyNotFound("Invalid arn " + parts[3])
	}
	return nil
}

func (k *KMS) arn(resource string) string {
	return "arn:aws:kms:" + k.region + ":" + k.account + ":" + resource
}

func (k *KMS) keyARN(id string) string { return k.arn("key/" + id) }

func keyNotFound(message string) error { return fail(400, "KMS.NotFoundException", message) }
