package migrate

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// countTags finds out how many tags those secrets have at the source that are to be written. Tags don't move: the
// destination may take none, or fewer, and permissions there may depend on them.
func (m *Migration) countTags(ctx context.Context, moves []*move) error {
	tagger, ok := m.from.Store.(store.Tagger)
	if !ok || !m.from.Kind().Tags {
		return nil
	}
	var counts []func(context.Context) error
	for _, v := range moves {
		if v.err != nil || len(v.missing) == 0 {
			continue
		}
		counts = append(counts, func(ctx context.Context) error {
			tags, err := tagger.ReadTags(ctx, v.source.ID)
			switch {
			case err == nil:
				v.tags = len(tags)
			case ctx.Err() != nil, errors.Is(err, store.ErrCredentials):
				return err
			case !errors.Is(err, store.ErrUnsupported) && !errors.Is(err, store.ErrNotFound):
				v.tags = -1
			}
			return nil
		})
	}
	return eightAtOnce(ctx, counts)
}

// noteTags names the secrets whose tags stay at the source.
func (m *Migration) noteTags() {
	const most = 3
	var tagged []string
	unknown := 0
	for _, v := range m.moves {
		switch {
		case v.tags > 0:
			tagged = append(tagged, v.source.ID.String())
		case v.tags < 0:
			unknown++
		}
	}
	if n := len(tagged); n > 0 {
		text := app.JoinNames(tagged[:min(n, most)])
		if n > most {
			text = app.Count(n, "secret") + ", such as " + tagged[0]
		}
		m.app.NoteWarning("tags don't move; coffer tag write sets those of %s at the destination", text)
	}
	if unknown > 0 {
		m.app.Note("whether %s had tags, which don't move, is unknown: they couldn't be read", app.Count(unknown, "secret"))
	}
}
