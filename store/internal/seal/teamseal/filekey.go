package teamseal

import (
	"context"

	"filippo.io/age"
)

// StanzaType is the type of the stanza in the header of an object.
const StanzaType = stanzaType

// FileKey returns the file key of an object from the stanza in its header, of which it gets the
// arguments and the body. It is for a caller who doesn't know the object's name: that of the stanza
// is returned, and the wrap of the file key vouches for it. Errors are those of [Sealer.Open].
func (s *Sealer) FileKey(ctx context.Context, args []string, body []byte) (fileKey []byte, of Stanza, err error) {
	stanza := &age.Stanza{Type: stanzaType, Args: args, Body: body}
	of, err = ParseStanza(stanza)
	if err != nil {
		return nil, Stanza{}, errDamaged
	}
	id := &identity{ctx: ctx, keys: s.keys, name: of.Name}
	fileKey, err = id.unwrap([]*age.Stanza{stanza})
	return fileKey, of, err
}
