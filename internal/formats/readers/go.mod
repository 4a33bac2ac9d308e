module github.com/coffer-secrets/coffer/internal/formats/readers

go 1.26.0

require (
	github.com/compose-spec/compose-go/v2 v2.16.2
	github.com/joho/godotenv v1.5.1
	go.yaml.in/yaml/v4 v4.0.0
)

require (
	github.com/sirupsen/logrus v1.10.1 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sys v0.13.0 // indirect
)
