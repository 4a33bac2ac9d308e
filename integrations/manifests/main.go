// Manifests reads files of docs/recipes.md as what they are for would, for the tests.
//
//	manifests k8s FILE      prints each object's kind and name, if the API of Kubernetes has all its fields
//	manifests compose FILE  prints a compose file as Docker Compose understands it, with the variables of the environment
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "k8s" {
		return k8s(args[1])
	}
	if len(args) == 2 && args[0] == "compose" {
		return compose(args[1])
	}
	return errors.New("usage: manifests k8s|compose FILE")
}

// kinds are the types of the API that the recipes have.
var kinds = map[string]func() metav1.Object{
	"apps/v1 Deployment":                       func() metav1.Object { return new(appsv1.Deployment) },
	"batch/v1 CronJob":                         func() metav1.Object { return new(batchv1.CronJob) },
	"rbac.authorization.k8s.io/v1 Role":        func() metav1.Object { return new(rbacv1.Role) },
	"rbac.authorization.k8s.io/v1 RoleBinding": func() metav1.Object { return new(rbacv1.RoleBinding) },
	"v1 Secret":                                func() metav1.Object { return new(corev1.Secret) },
	"v1 ServiceAccount":                        func() metav1.Object { return new(corev1.ServiceAccount) },
}

func k8s(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for documents := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := decode(document); err != nil {
			return err
		}
	}
}

// decode prints an object's kind and name.
func decode(document []byte) error {
	document, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var kind metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(document, &kind); err != nil {
		return err
	}
	object := kinds[kind.APIVersion+" "+kind.Kind]
	if object == nil {
		return fmt.Errorf("no recipe has a %s of %s", kind.Kind, kind.APIVersion)
	}
	into := object()
	strict, err := kjson.UnmarshalStrict(document, into)
	if err = errors.Join(append(strict, err)...); err != nil {
		return fmt.Errorf("%s: %w", kind.Kind, err)
	}
	fmt.Println(kind.Kind, into.GetName())
	return nil
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
