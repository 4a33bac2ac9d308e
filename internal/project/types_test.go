package project

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// block returns a PEM block.
func block(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}

func sequence(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestEachTypeAcceptsItsValues(t *testing.T) {
	der := sequence(t)
	for typ, values := range map[string][]string{
		"":       {"", "anything\x00\xff"},
		"string": {"", "anything\x00\xff"},
		"url": {
			"http://host", "https://host:1/path?q#f", "postgres://app:p%2Fw@db:65535/app", "redis://[::1]:6379", "redis://:pw@host",
			"mongodb://a:1,b:2,c/db?x=y", "mongodb+srv://u:p@host/db", "jdbc:postgresql://host:5432/db", "amqps://u:p@h/%2F", "http://[fe80::1%25eth0]",
		},
		"port":   {"1", "80", "65535"},
		"int":    {"0", "-3", "007", strings.Repeat("9", 400)},
		"bool":   {"true", "False", "TRUE", "0", "1"},
		"json":   {"{}", "[1, 2]", `"text"`, "null", " {\"a\": \"é\"}\n"},
		"base64": {"YQ==", "YQ", "YWI=", "-_-_", "YWJj\nYWJj\n", "YWJj\r\n"},
		"pem":    {block("CERTIFICATE", der), block("PUBLIC KEY", der) + "some text\n" + block("RSA PRIVATE KEY", der)},
		"pem-certificate": {
			block("CERTIFICATE", der), block("CERTIFICATE", der) + block("CERTIFICATE", der), strings.TrimSuffix(block("CERTIFICATE", der), "\n"),
			strings.ReplaceAll(block("CERTIFICATE", der), "\n", "\r\n"),
		},
		"pem-private-key": {
			block("PRIVATE KEY", der), block("EC PARAMETERS", der) + block("EC PRIVATE KEY", der), block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00")),
			"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
		},
	} {
		for _, value := range values {
			if fault := Fault(typ, value); fault != "" {
				t.Errorf("%s: %q %s", typ, value, fault)
			}
		}
	}
}

func TestEachTypeRefusesOtherValuesWithTheReason(t *testing.T) {
	der := sequence(t)
	for typ, values := range map[string]map[string]string{
		"url": {
			"": "empty", "host": "SCHEME://HOST", "http:/host": "SCHEME://HOST", "http://": "no host", "://host": "SCHEME", "1a://host": "SCHEME", "a_b://host": "SCHEME", "é://h": "SCHEME",
			"http://u:p@": "no host", "http:///path": "no host", "http://host:0": "port", "http://host:": "port", "http://host:99999": "port", "http://a,,b": "no host",
			"http://host\n": "newline", " http://host": "spaces", "http://a b": "not a URL", "http://a\x00b": "not a URL",
			"postgres://app:pa/ss@db/app": "URL-encoded", "postgres://app:pa#ss@db/app": "URL-encoded", "postgres://app:100%@db/app": "hexadecimal", "http://h/%": "hexadecimal", "http://h/%4": "hexadecimal", "http://h/%4g": "hexadecimal",
		},
		"port":   {"": "empty", "0": "1 to 65535", "65536": "1 to", "080": "1 to", "+80": "1 to", "8 0": "1 to", "80\n": "newline", " 80": "spaces", "http": "1 to", strings.Repeat("9", 400): "1 to"},
		"int":    {"": "empty", "-": "whole", "1.0": "whole", "1e3": "whole", "--1": "whole", "1\n": "newline", "٣": "whole"},
		"bool":   {"": "empty", "yes": "true, false", "2": "true, false", "true ": "spaces"},
		"json":   {"": "empty", "{": "JSON", "{'a': 1}": "JSON", "{} {}": "JSON", "\"\xff\"": "JSON", strings.Repeat("[", 100_000): "JSON"},
		"base64": {"": "empty", "\n": "empty", "Y": "base64", "Y=Q=": "base64", "YQ=": "base64", "YWJj YWJj": "spaces", "+-": "base64", "YR==": "base64", "é": "base64"},
		"pem": {
			"": "empty", "text": "no whole block", strings.ReplaceAll(block("CERTIFICATE", der), "\n", `\n`): `\n`, block("CERTIFICATE", der)[:100]: "no whole block",
			block("CERTIFICATE", der) + block("CERTIFICATE", der)[:100]: "damaged", block("CERTIFICATE", der[:20]): "damaged", block("CERTIFICATE", append([]byte{}, append(der, 0)...)): "damaged",
			block("CERTIFICATE", []byte{2, 1, 1}): "damaged",
		},
		"pem-certificate": {block("PRIVATE KEY", der): "another kind", block("CERTIFICATE", der) + block("PRIVATE KEY", der): "another kind", "": "empty"},
		"pem-private-key": {block("CERTIFICATE", der): "another kind", block("PRIVATE KEY", der) + block("PRIVATE KEY", der): "2 of them", block("EC PARAMETERS", der): "0 of them"},
	} {
		for value, want := range values {
			fault := Fault(typ, value)
			if !strings.Contains(fault, want) {
				t.Errorf("%s: %q %q, want %q", typ, value, fault, want)
			}
		}
	}
}

// What a check costs depends on the length of a value alone: a key whose modulus is a megabyte is not
// tested for primes, and a million levels of JSON aren't followed.
func TestNoValueMakesACheckLong(t *testing.T) {
	big := strings.Repeat("A", 1<<20)
	for _, typ := range TypeNames() {
		for _, value := range []string{
			big, strings.Repeat("[", 1<<20), strings.Repeat("%41", 1<<18), "http://" + strings.Repeat("a,", 1<<19), strings.Repeat("-----BEGIN X-----\n", 1<<15),
			block("RSA PRIVATE KEY", append([]byte{0x30, 0x84, 0, 0x10, 0, 6, 2, 0x84, 0, 0x10, 0, 0}, big...)),
		} {
			if testing.AllocsPerRun(1, func() { Fault(typ, value) }) > 1<<18 {
				t.Errorf("%s: a value of %d bytes is much work", typ, len(value))
			}
		}
	}
}

func TestAFaultHasNoPartOfTheValue(t *testing.T) {
	const canary = "Xq7zCanary9"
	for _, typ := range TypeNames() {
		for _, value := range []string{canary, " " + canary, "http://" + canary + ":" + canary, "-----BEGIN " + canary + "-----\n" + canary, `{"` + canary + `"`, canary + "%" + canary, "a://" + canary + "%zz"} {
			if fault := Fault(typ, value); strings.Contains(fault, canary[:5]) {
				t.Errorf("%s: %s", typ, fault)
			}
		}
	}
}
