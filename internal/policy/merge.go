package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Merge puts the statements of a document into a policy that exists, each in the place of
// the one with its Sid, and leaves the others as they are. Changed is false when all are
// there already, under whatever Sid. The error is that the existing policy is no JSON of a policy.
func Merge(existing string, d Document) (merged string, changed bool, err error) {
	policy := map[string]any{"Version": d.Version}
	if existing != "" {
		if err := json.Unmarshal([]byte(existing), &policy); err != nil {
			return "", false, fmt.Errorf("the bucket's policy does not parse: %w", err)
		}
	}
	statements, isList := policy["Statement"].([]any)
	if one := policy["Statement"]; one != nil && !isList {
		statements = []any{one}
	}
	for _, s := range d.Statement {
		ours := generic(s)
		if slices.ContainsFunc(statements, func(have any) bool { return sameStatement(have, ours) }) {
			continue
		}
		changed = true
		i := slices.IndexFunc(statements, func(have any) bool {
			m, ok := have.(map[string]any)
			return ok && m["Sid"] == s.Sid
		})
		if i < 0 {
			statements = append(statements, ours)
		} else {
			statements[i] = ours
		}
	}
	policy["Statement"] = statements
	text, err := json.Marshal(policy)
	return string(text), changed, err
}

// sameStatement compares what two statements say: a Sid says nothing.
func sameStatement(a, b any) bool {
	x, isX := plain(a).(map[string]any)
	y, isY := plain(b).(map[string]any)
	if !isX || !isY {
		return false
	}
	delete(x, "Sid")
	delete(y, "Sid")
	return reflect.DeepEqual(x, y)
}

func generic(s Statement) any {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings alone
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}

// plain is a part of a policy as AWS may give it back: a list of one as the one, "*" for
// everybody, lists in another order.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			return plain(v[0])
		}
		texts := make([]string, len(v))
		for i, e := range v {
			texts[i] = fmt.Sprint(plain(e))
		}
		slices.Sort(texts)
		return texts
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			out[name] = plain(e)
			if name == "Principal" && e == "*" {
				out[name] = map[string]any{"AWS": "*"}
			}
		}
		return out
	}
	return v
}
