package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Merge puts the statements of a document into a policy that exists, each in the place of
// the one with its Sid, and leaves the others as they are. Changed is false when all are
// there already. The error is that the existing policy is no JSON of a policy.
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
		i := slices.IndexFunc(statements, func(have any) bool {
			m, ok := have.(map[string]any)
			return ok && m["Sid"] == s.Sid
		})
		switch {
		case i < 0:
			statements, changed = append(statements, ours), true
		case !reflect.DeepEqual(plain(statements[i]), plain(ours)):
			statements[i], changed = ours, true
		}
	}
	policy["Statement"] = statements
	text, err := json.Marshal(policy)
	return string(text), changed, err
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
