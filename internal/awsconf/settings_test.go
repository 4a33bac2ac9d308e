package awsconf

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// A newer SDK may read more: then the table needs a row, or this test the reason why it has none.
func TestTheTableOfSDKSettingsIsThatOfTheSDK(t *testing.T) {
	apart := strings.Fields("Credentials ContainerCredentialsEndpoint ContainerCredentialsRelativePath ContainerAuthorizationToken " + // credentials
		"WebIdentityTokenFilePath RoleARN RoleSessionName CredentialSource CredentialProcess WebIdentityTokenFile SSOSessionName SSOSession SSORegion " +
		"SSOStartURL SSOAccountID SSORoleName ExternalID MFASerial RoleDurationSeconds SourceProfileName Source LoginSession " +
		"BaseEndpoint ServicesSectionName Services " + // endpoints: PlaceOf
		"Profile") // of the profile itself
	for _, source := range []any{config.EnvConfig{}, config.SharedConfig{}} {
		var known []string
		for _, row := range sdkSettings() {
			known = append(known, map[bool]string{true: row.env, false: row.profile}[reflect.TypeOf(source) == reflect.TypeFor[config.EnvConfig]()])
		}
		for _, field := range reflect.VisibleFields(reflect.TypeOf(source)) {
			if !slices.Contains(known, field.Name) && !slices.Contains(apart, field.Name) {
				t.Errorf("%T.%s is in no row of sdkSettings", source, field.Name)
			}
		}
		for _, name := range known {
			if _, ok := reflect.TypeOf(source).FieldByName(name); name != "" && !ok {
				t.Errorf("%T has no field %s", source, name)
			}
		}
	}
}

// Each setting of the table is read from its variable, and written as it was there.
func TestSDKSettingsAreToldAsTheyAreWritten(t *testing.T) {
	mototest.Isolate(t)
	written := map[string]string{
		"retry_mode": "adaptive", requestChecksums: whenRequired, responseChecksums: whenSupported, "ca_bundle": "", "defaults_mode": "cross-region",
		"account_id_endpoint_mode": "disabled", "auth_scheme_preference": "sigv4a,sigv4", "endpoint_discovery_enabled": "auto",
		"ec2_metadata_service_endpoint_mode": "IPv6", "ec2_metadata_service_endpoint": "http://127.0.0.1:1", "restrict_file_permissions": "unrestricted",
		"max_attempts": "4", "request_min_compression_size_bytes": "77", SettingRegion: "eu-west-3", "sdk_ua_app_id": "team", SettingProfile: "",
		"shared_credentials_file": "", "config_file": "",
	}
	for _, row := range sdkSettings() {
		if _, ok := written[row.name]; !ok {
			written[row.name] = "true"
		}
		if value := written[row.name]; value != "" {
			t.Setenv(strings.Fields(row.variables)[0], value)
		}
	}
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
	cfg, err := Load(t.Context(), Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range SDKSettings(cfg) {
		got[s.Name] = s.Value
	}
	for name, want := range written {
		if want != "" && got[name] != want {
			t.Errorf("%s: %q; want %q", name, got[name], want)
		}
	}
}

func TestChecksumsOfTheUserAreKept(t *testing.T) {
	for value, want := range map[string]bool{"": false, whenRequired: false, whenSupported: true} {
		mototest.Isolate(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", value)
		t.Setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", value)
		var put, get bool
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				put = r.Header.Get("X-Amz-Checksum-Crc32") != "" || r.Header.Get("X-Amz-Trailer") != ""
			} else {
				get = r.Header.Get("X-Amz-Checksum-Mode") != ""
			}
		}))
		t.Cleanup(server.Close)
		cfg, err := Load(t.Context(), Options{EndpointURL: server.URL, Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		client, bucket, key := S3(cfg), "b", "k"
		_, _ = client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")})
		_, _ = client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if put != want || get != want {
			t.Errorf("%q: checksum sent %v, asked for %v; want %v", value, put, get, want)
		}
	}
}
