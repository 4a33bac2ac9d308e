package app

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/coffer-secrets/coffer/store"
)

const (
	defaultMaskText = "***"
	longestMaskText = 32 // bytes
)

// Mask reports whether exec hides secrets in the output of its command. flag is --mask or --no-mask,
// or nil. It is off unless it was asked for.
func (s *Settings) Mask(flag *bool) bool {
	if flag == nil {
		flag = s.File.Mask
	}
	return flag != nil && *flag
}

// MaskText returns what exec shows instead of a secret. flag is --mask-text, or "".
func (s *Settings) MaskText(flag string) (string, error) {
	text := Setting{flag, "--mask-text"}
	if flag == "" {
		text = Setting{s.File.MaskText, s.File.from(&s.File.MaskText) + ": mask_text"}
	}
	switch {
	case text.Value == "":
		return defaultMaskText, nil
	case len(text.Value) > longestMaskText:
		return "", fmt.Errorf("%w: %s: the text has %d bytes; the limit is %d", store.ErrInvalid, text.From, len(text.Value), longestMaskText)
	case strings.ContainsFunc(text.Value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", fmt.Errorf("%w: %s: %q has unprintable characters", store.ErrInvalid, text.From, text.Value)
	}
	return text.Value, nil
}
