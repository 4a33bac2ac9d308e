// Command readers reads files with Go libraries that coffer doesn't use, and prints what read.mjs
// prints. It is a module of its own, so that coffer's module doesn't require them.
//
//	readers READER FILE...
package main

import (
	"encoding/json"
	"os"

	compose "github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/joho/godotenv"
	"go.yaml.in/yaml/v4"
)

type answer struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	read := map[string]func(file string) (any, error){
		"compose":  func(file string) (any, error) { return compose.Read(file) },
		"godotenv": func(file string) (any, error) { return godotenv.Read(file) },
		"yaml":     readYAML,
	}[os.Args[1]]
	answers := make([]answer, 0, len(os.Args))
	for _, file := range os.Args[2:] {
		value, err := read(file)
		if err != nil {
			answers = append(answers, answer{Error: err.Error()})
			continue
		}
		answers = append(answers, answer{Value: value})
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func readYAML(file string) (any, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var value any
	err = yaml.Unmarshal(body, &value)
	return value, err
}
