//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// rotationServers are where the guide is followed. Moto has all of KMS's requests, and lets a
// disabled key open objects; of policies of buckets it ignores the conditions, so that there
// doctor finds fault with a bucket that has none. The other one holds everybody to the state
// and the policy of a key.
var rotationServers = map[string]func(t *testing.T, region string) *bench{
	"moto": func(t *testing.T, region string) *bench {
		b := newMotoBench(t, mototest.Start(t), "rotation-"+region)
		b.env = append(b.env, "AWS_REGION="+region, "COFFER_KMS_KEY_ALIAS=alias/app", "AWS_ENDPOINT_URL="+mototest.Start(t))
		b.do("init --yes --without policy --without check", "")
		return b
	},
	"a strict KMS": func(t *testing.T, _ string) *bench {
		b := newBench(t, s3test.Options{})
		front := httptest.NewServer(&keyKeeper{T: t, s3: b.Server, policies: map[string]string{}, rest: through(t, b.URL)})
		t.Cleanup(front.Close)
		b.env = append(b.env, "AWS_ENDPOINT_URL="+front.URL, "COFFER_ENDPOINT_URL="+front.URL)
		b.do("init --yes --without check", "")
		return b
	},
}

func through(t *testing.T, address string) http.Handler {
	upstream, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return wire.New(upstream, 0)
}

// keyKeeper serves what s3test has as methods only: how the keys of a KMS are kept.
type keyKeeper struct {
	*testing.T
	s3       *s3test.Server
	policies map[string]string // by key
	rest     http.Handler
}

func (k *keyKeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		KeyID       string `json:"KeyId"`
		TargetKeyID string `json:"TargetKeyId"`

		AliasName, Policy string
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		k.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, target, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "TrentService.")
	if ok {
		if err := json.Unmarshal(body, &in); err != nil {
			k.Error(err)
		}
	}
	answer := map[string]string{}
	switch target {
	case "UpdateAlias":
		k.s3.KMS.PointAlias(in.AliasName, in.TargetKeyID)
	case "DisableKey":
		k.s3.KMS.SetState(in.KeyID, s3test.Disabled)
	case "ScheduleKeyDeletion":
		k.s3.KMS.SetState(in.KeyID, s3test.PendingDeletion)
	case "PutKeyPolicy":
		k.policies[in.KeyID] = in.Policy
		if strings.Contains(in.Policy, "kms:GenerateDataKey") {
			k.s3.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyGenerateDataKey: []string{in.KeyID}})
		}
	case "GetKeyPolicy":
		answer["Policy"] = k.policies[in.KeyID]
		if answer["Policy"] == "" { // as KMS prints it
			answer["Policy"] = "{\n  \"Version\" : \"2012-10-17\",\n  \"Statement\" : [ {\n    \"Sid\" : \"Root\", \"Effect\" : \"Allow\"\n  } ]\n}"
		}
	default:
		k.rest.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		k.Error(err)
	}
}
