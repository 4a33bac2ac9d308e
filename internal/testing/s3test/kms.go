package s3test

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// KMS contains the keys and aliases of one account and region. S3 calls it before it reads or
// writes an object with aws:kms.
type KMS struct {
	region, account string

	mu      sync.RWMutex
	keys    map[string]*key   // by ARN
	aliases map[string]string // alias/name to key ARN
}

type key struct {
	arn      string
	state    KeyState
	signing  bool
	material [32]byte
}

// KeyState is the state of a key.
type KeyState string

// States of a key, as in DescribeKey. A Deleted key is unknown, and its aliases are removed.
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

// CreateKey creates an enabled key with any number of aliases ("alias/app") and returns its ARN.
// Aliases of other keys are moved to it.
func (k *KMS) CreateKey(aliases ...string) string {
	return k.create(&key{state: Enabled}, aliases)
}

// CreateSigningKey creates a key that can't encrypt: S3 returns 400 KMS.InvalidKeyUsageException.
func (k *KMS) CreateSigningKey(aliases ...string) string {
	return k.create(&key{state: Enabled, signing: true}, aliases)
}

func (k *KMS) create(made *key, aliases []string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	made.arn = k.keyARN(fmt.Sprintf("00000000-0000-4000-8000-%012d", len(k.keys)+1))
	made.material = sha256.Sum256([]byte(made.arn))
	k.keys[made.arn] = made
	for _, alias := range aliases {
		k.aliases[alias] = made.arn
	}
	return made.arn
}

// PointAlias creates an alias, or points it to another key, by any name of that key. It panics if
// there is no such key.
func (k *KMS) PointAlias(alias, keyName string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.find(keyName)
	if err != nil {
		panic(err)
	}
	k.aliases[alias] = found.arn
}

// DeleteAlias deletes an alias. Objects that were encrypted by that name keep their key.
func (k *KMS) DeleteAlias(alias string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.aliases, alias)
}

// SetState changes the state of a key, by any of its names. Deleted is permanent. It panics if
// there is no such key.
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

// ARN returns the key that a name (key id, key ARN, alias or alias ARN) currently refers to, or ""
// if there is none.
func (k *KMS) ARN(name string) string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	found, err := k.find(name)
	if err != nil {
		return ""
	}
	return found.arn
}

// use resolves a key for an action of S3 on behalf of the caller, and fails as S3 does when KMS
// refuses. A nil who is never denied.
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

// names reports whether a name refers to a key.
func (k *KMS) names(name string, to *key) bool {
	found, err := k.find(name)
	return err == nil && found == to
}

var keyID = regexp.MustCompile(`^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// find resolves any name of a key. An unqualified name belongs to the server's own account and
// region.
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

// checkARN refuses an ARN of another region, which S3 can't use.
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
