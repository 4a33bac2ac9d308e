package policy_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/coffer-secrets/coffer/internal/policy"
)

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000002"

func scope() policy.Scope {
	return policy.Scope{
		Region: "eu-west-1", Bucket: "acme", Services: []string{"api", "web/front"},
		Keys: []policy.Key{{Alias: "alias/app", ARN: keyARN}, {Alias: "alias/ops"}},
	}
}

func parse(t *testing.T, text string) hcl.Blocks {
	t.Helper()
	file, problems := hclsyntax.ParseConfig([]byte(text), "coffer.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatalf("%v\n%s", problems, text)
	}
	var blocks hcl.Blocks
	for _, b := range file.Body.(*hclsyntax.Body).Blocks {
		blocks = append(blocks, b.AsHCLBlock())
	}
	return blocks
}

func TestTerraformParsesAndIsFormatted(t *testing.T) {
	plain := scope()
	plain.Keys = nil
	for name, text := range map[string]string{
		"reader":            scope().Terraform(policy.Reader),
		"writer":            scope().Terraform(policy.Writer),
		"operator":          scope().Terraform(policy.Operator),
		"without a key":     plain.Terraform(policy.Writer),
		"setup":             scope().Setup(false, nil),
		"setup, no key":     plain.Setup(true, nil),
		"text of templates": policy.Scope{Region: "r", Bucket: "b", Services: []string{`${a} %{b} "\` + "\n"}}.Terraform(policy.Reader),
	} {
		t.Run(name, func(t *testing.T) {
			parse(t, text)
			if want := string(hclwrite.Format([]byte(text))); text != want {
				t.Errorf("terraform fmt would change it:\n%s", text)
			}
		})
	}
}

// A template in a name is text: Terraform evaluates the string to what was meant.
func TestTerraformStringsMeanWhatTheySay(t *testing.T) {
	const service = `${var.x}%{ if y }"\`
	s := policy.Scope{Region: "eu-west-1", Bucket: "acme", Services: []string{service}}
	file, problems := hclsyntax.ParseConfig([]byte(s.Terraform(policy.Reader)), "x.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	statement := file.Body.(*hclsyntax.Body).Blocks[0].Body.Blocks[1].Body
	value, problems := statement.Attributes["resources"].Expr.Value(nil)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	if got := value.AsValueSlice()[0].AsString(); got != "arn:aws:s3:::acme/"+service+"/*" {
		t.Errorf("the resource is %s", got)
	}
}

func TestUnknownKeysAreVariables(t *testing.T) {
	s := scope()
	s.Keys = []policy.Key{{Alias: "alias/a/b"}, {Alias: "alias/a_b"}, {Alias: "alias/app", ARN: keyARN}}
	declared := map[string]bool{}
	for _, b := range parse(t, s.Terraform(policy.Writer)) {
		if b.Type == "variable" {
			declared[b.Labels[0]] = true
		}
	}
	if len(declared) != 3 || !declared["key_arn_of_alias_a_b"] || !declared["key_arn_of_alias_a_b_2"] || !declared["principal_arn"] {
		t.Errorf("declared: %v", declared)
	}
	text := s.Terraform(policy.Writer)
	if !strings.Contains(text, `[var.key_arn_of_alias_a_b, var.key_arn_of_alias_a_b_2, "`+keyARN+`"]`) {
		t.Errorf("the keys are not named:\n%s", text)
	}
	if got := strings.Join(s.Placeholders(), " "); got != "KEY_ARN_OF_ALIAS_A_B KEY_ARN_OF_ALIAS_A_B_2 PRINCIPAL_ARN" {
		t.Errorf("placeholders: %s", got)
	}
}

func TestPartitions(t *testing.T) {
	for region, want := range map[string][2]string{
		"eu-west-1":       {"arn:aws:s3:::acme", "s3.eu-west-1.amazonaws.com"},
		"cn-north-1":      {"arn:aws-cn:s3:::acme", "s3.cn-north-1.amazonaws.com.cn"},
		"us-gov-west-1":   {"arn:aws-us-gov:s3:::acme", "s3.us-gov-west-1.amazonaws.com"},
		"eusc-de-east-1":  {"arn:aws-eusc:s3:::acme", "s3.eusc-de-east-1.amazonaws.eu"},
		"us-iso-west-1":   {"arn:aws-iso:s3:::acme", "s3.us-iso-west-1.c2s.ic.gov"},
		"us-isob-east-1":  {"arn:aws-iso-b:s3:::acme", "s3.us-isob-east-1.sc2s.sgov.gov"},
		"eu-isoe-west-1":  {"arn:aws-iso-e:s3:::acme", "s3.eu-isoe-west-1.cloud.adc-e.uk"},
		"us-isof-south-1": {"arn:aws-iso-f:s3:::acme", "s3.us-isof-south-1.csp.hci.ic.gov"},
	} {
		s := scope()
		s.Region = region
		statements := s.For(policy.Reader).Identity.Statement
		if got := statements[0].Resource[0]; got != want[0] {
			t.Errorf("%s: the bucket is %s", region, got)
		}
		if got := statements[2].Condition["StringEquals"]["kms:ViaService"][0]; got != want[1] {
			t.Errorf("%s: the service is %s", region, got)
		}
		via := statements[2].Condition["StringEquals"]["kms:ViaService"]
		if usual := "s3." + region + ".amazonaws.com"; via[len(via)-1] != usual || len(via) > 2 {
			t.Errorf("%s: the services are %q; want %s among them", region, via, usual)
		}
	}
}

// A reader's policy names nothing that changes anything.
func TestAReaderChangesNothing(t *testing.T) {
	for _, s := range scope().For(policy.Reader).Identity.Statement {
		for _, action := range s.Action {
			switch action {
			case "s3:ListBucket", "s3:GetObject", "kms:Decrypt":
			default:
				t.Errorf("%s allows %s", s.Sid, action)
			}
		}
	}
}

func TestMergeKeepsWhatOthersSay(t *testing.T) {
	ours := scope().BucketPolicy(false)
	const theirs = `{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::acme"}`
	for name, existing := range map[string]string{
		"nothing":        "",
		"one statement":  `{"Version":"2012-10-17","Statement":` + theirs + `}`,
		"a list":         `{"Version":"2012-10-17","Statement":[` + theirs + `]}`,
		"an old of ours": `{"Version":"2012-10-17","Statement":[{"Sid":"CofferTLSOnly","Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"*"},` + theirs + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			merged, changed, err := policy.Merge(existing, ours)
			if err != nil || !changed {
				t.Fatalf("changed %v, %v", changed, err)
			}
			if existing != "" && !strings.Contains(merged, `"Theirs"`) {
				t.Errorf("theirs is gone: %s", merged)
			}
			if strings.Count(merged, policy.SidTLSOnly) != 1 || strings.Count(merged, policy.SidConditionalPuts) != 1 {
				t.Errorf("ours are not there once: %s", merged)
			}
			if _, changed, err := policy.Merge(merged, ours); changed || err != nil {
				t.Errorf("again: changed %v, %v", changed, err)
			}
		})
	}
}

// AWS gives lists of one back as the one, and everybody as "*".
func TestMergeKnowsItsStatementsAsAWSGivesThemBack(t *testing.T) {
	const given = `{"Version":"2012-10-17","Statement":[` +
		`{"Sid":"CofferTLSOnly","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::acme/*","arn:aws:s3:::acme"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}},` +
		`{"Sid":"CofferConditionalPutsOnly","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::acme/*",` +
		`"Condition":{"Null":{"s3:if-none-match":"true","s3:if-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}}]}`
	if _, changed, err := policy.Merge(given, scope().BucketPolicy(false)); changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	if _, _, err := policy.Merge("{", scope().BucketPolicy(false)); err == nil {
		t.Error("what does not parse was replaced")
	}
}

// What another statement says already is not said twice.
func TestMergeKnowsAStatementUnderAnotherSid(t *testing.T) {
	const given = `{"Version":"2012-10-17","Statement":[{"Sid":"RestrictToTLSRequestsOnly","Effect":"Deny","Principal":"*","Action":"s3:*",` +
		`"Resource":["arn:aws:s3:::acme","arn:aws:s3:::acme/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	if merged, changed, err := policy.Merge(given, scope().BucketPolicy(true)); changed || err != nil {
		t.Errorf("%s, %v", merged, err)
	}
	for name, weaker := range map[string]string{
		"of one principal": strings.Replace(given, `"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`, 1),
		"of the objects":   strings.Replace(given, `"arn:aws:s3:::acme",`, ``, 1),
		"that allows":      strings.Replace(given, `"Deny"`, `"Allow"`, 1),
	} {
		merged, changed, err := policy.Merge(weaker, scope().BucketPolicy(true))
		if !changed || err != nil || !strings.Contains(merged, "RestrictToTLS") || !strings.Contains(merged, policy.SidTLSOnly) {
			t.Errorf("a statement %s was taken for ours: %s, %v", name, merged, err)
		}
	}
}

// MinIO refuses a whole policy for one action that it doesn't know.
func TestPublicAccessIsLeftOutForServersOtherThanAWS(t *testing.T) {
	for _, other := range []bool{false, true} {
		s := scope()
		s.OtherServer = other
		text := s.Terraform(policy.Operator)
		for _, statement := range s.For(policy.Operator).Identity.Statement {
			text += strings.Join(statement.Action, " ")
		}
		for _, p := range s.Permissions(policy.Operator, "api") {
			text += " " + p.Action
		}
		want := map[bool]int{false: 3}[other]
		if n := strings.Count(text, policy.PublicAccess); n != want || !strings.Contains(text, "s3:GetBucketVersioning") {
			t.Errorf("other server: %v: %d times, want %d", other, n, want)
		}
	}
}
