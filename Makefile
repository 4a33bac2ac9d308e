# make help lists the targets. Tools are built once, at these versions, into TOOLS.
GOLANGCI_LINT := v2.15.0
GOVULNCHECK   := v1.8.0
MINIO         := v0.0.0-20260212201848-7aac2a2c5b7c
VERSITYGW     := v1.8.0
GOFAKES3      := v1.2.0
RCLONE        := v1.76.0
AGE           := v1.3.2
ACTIONLINT    := v1.7.12
COSIGN        := v2.6.5
MOTO          := 5.2.1
ACT           := v0.2.89
# Newer ones need a newer Go than Coffer does.
NFPM          := v2.45.0

TOOLS    ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/coffer-tools
FUZZTIME ?= 1m
VERSION  ?= $(patsubst v%,%,$(shell git describe --tags --dirty 2>/dev/null || echo dev))
COMMIT   ?= $(shell git rev-parse HEAD 2>/dev/null)
# Of the commit, so that it is the same in each build of it.
DATE     ?= $(shell TZ=UTC git show -s --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD 2>/dev/null)

golangci-lint := $(TOOLS)/golangci-lint@$(GOLANGCI_LINT)/golangci-lint
govulncheck   := $(TOOLS)/govulncheck@$(GOVULNCHECK)/govulncheck
minio         := $(TOOLS)/minio@$(MINIO)/minio
versitygw     := $(TOOLS)/versitygw@$(VERSITYGW)/versitygw
gofakes3      := $(TOOLS)/gofakes3@$(GOFAKES3)/gofakes3
rclone        := $(TOOLS)/rclone@$(RCLONE)/rclone
nfpm          := $(TOOLS)/nfpm@$(NFPM)/nfpm
actionlint    := $(TOOLS)/actionlint@$(ACTIONLINT)/actionlint
cosign        := $(TOOLS)/cosign@$(COSIGN)/cosign
moto          := $(TOOLS)/moto-$(MOTO)
readers       := $(TOOLS)/readers-$(firstword $(shell cd internal/formats/readers && cat package-lock.json go.sum main.go | cksum))
inspector     := $(TOOLS)/inspector-$(firstword $(shell cksum internal/mcpserver/inspector/package-lock.json))
mise          := $(TOOLS)/mise-$(firstword $(shell cksum integrations/mise/package-lock.json))
manifests     := $(TOOLS)/manifests-$(firstword $(shell cd integrations/manifests && cat go.sum main.go | cksum))
gitlab        := $(TOOLS)/gitlab-$(firstword $(shell cksum integrations/gitlab/package-lock.json))
age           := $(TOOLS)/age@$(AGE)-$(firstword $(shell cksum internal/ageplugin/npm/package-lock.json))
act           := $(TOOLS)/act@$(ACT)/act

# What is built, tested and linted is compiled once: with the same flags, and without C.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -trimpath)
export CGO_ENABLED ?= 0

export PATH := $(PATH):$(moto)/bin
export COFFER_TEST_READERS := $(readers)
export COFFER_TEST_INSPECTOR := $(inspector)/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js
export COFFER_TEST_AGE := $(age)
export COFFER_TEST_MISE := $(mise)
export COFFER_TEST_GITLAB := $(gitlab)
export COFFER_TEST_MANIFESTS := $(manifests)
export COFFER_TEST_ACT := $(act)

.DEFAULT_GOAL := build
.PHONY: help build start moto readers inspector gitlab mise manifests age act programs test prove proofs walk schedules fuzz test-servers race cover mutants lint lint-selftest fmt vuln cross bench packages packages-test quickstart-time tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What go install builds, but for the symbols and the version. It is the same in any folder: the state of the clone is in the flags alone.
release = -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)"
build: ## ./coffer, one static binary
	go build $(release) -o coffer .

start: build ## what the program allocates before main.main, against docs/benchmarks.md
	.ci/start ./coffer

moto: ## moto_server, when it is missing and Python can install it
	@command -v moto_server >/dev/null || { echo "installing moto_server $(MOTO)" && \
		python3 -m venv "$(moto)" && "$(moto)/bin/pip" install --quiet --retries 1 'moto[server]==$(MOTO)'; } || \
		echo "moto_server could not be installed: its tests say so and are skipped, or fail where CI is set"

readers: ## programs that read what coffer exports: packages of npm, and a program of Go libraries
	@test -e "$(readers)/readers" || { echo "installing readers of dotenv and YAML" && mkdir -p "$(readers)" && \
		cp internal/formats/readers/package*.json "$(readers)" && \
		(cd "$(readers)" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error) && \
		go build -C internal/formats/readers -o "$(readers)/readers" .; } || \
		echo "the readers could not be installed: tests of them say so and are skipped, or fail where CI is set"

# It says that it needs a newer node than Debian has. What the tests use of it works with node 20.
inspector: ## a client of the Model Context Protocol, from npm
	@test -e "$(COFFER_TEST_INSPECTOR)" || { echo "installing the MCP inspector" && mkdir -p "$(inspector)" && \
		cp internal/mcpserver/inspector/package*.json "$(inspector)" && \
		cd "$(inspector)" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error; } || \
		echo "the inspector could not be installed: its test says so and is skipped, or fails where CI is set"

mise: ## mise, from npm: the test of its recipe runs it
	@test -e "$(mise)/node_modules" || { echo "installing mise" && mkdir -p "$(mise)" && \
		cp integrations/mise/package*.json "$(mise)" && \
		cd "$(mise)" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error; } || \
		echo "mise could not be installed: its tests say so and are skipped, or fail where CI is set"

manifests: ## a program with the types of Kubernetes and the library of Docker Compose, which reads the recipes
	@test -e "$(manifests)/manifests" || { echo "building the reader of manifests" && \
		go build -C integrations/manifests -o "$(manifests)/manifests" .; } || \
		echo "the reader of manifests could not be built: its tests say so and are skipped, or fail where CI is set"

gitlab: ## gitlab-ci-local, which runs GitLab pipelines, from npm
	@test -e "$(gitlab)/node_modules/gitlab-ci-local/package.json" || { echo "installing gitlab-ci-local" && mkdir -p "$(gitlab)" && \
		cp integrations/gitlab/package*.json "$(gitlab)" && \
		cd "$(gitlab)" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error; } || \
		echo "gitlab-ci-local could not be installed: its tests say so and are skipped, or fail where CI is set"

# Many tests wait, for time-outs and for processes, more than they compute.
age: ## age and npm's age-encryption, which open what is stored without coffer
	@test -e "$(age)/node_modules/age-encryption/package.json" || { echo "installing age" && mkdir -p "$(age)" && \
		GOBIN="$(age)/bin" go install filippo.io/age/cmd/age@$(AGE) filippo.io/age/cmd/age-keygen@$(AGE) && \
		cp internal/ageplugin/npm/package*.json "$(age)" && \
		cd "$(age)" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error; } || \
		echo "age could not be installed: its tests say so and are skipped, or fail where CI is set"

act: ## a runner of GitHub's workflows, without containers
	@test -e "$(act)" || { echo "building act $(ACT)" && \
		GOBIN="$(dir $(act))" go install -tags WITHOUT_DOCKER github.com/nektos/act@$(ACT); } || \
		echo "act could not be built: its tests say so and are skipped, or fail where CI is set"

programs: moto readers inspector gitlab mise manifests age act ## what the tests run, as far as make can install it

test: programs ## every test, once (7 minutes); lists what was skipped, and what installs it
	@go run ./internal/testing/gotest -timeout 20m -parallel 8 ./...

# What make test does a sample of, in full, and what needs more than it does.
PROOFS := walk schedules fuzz test-servers race

prove: $(PROOFS) ## all that is too long for make test: walks, schedules, fuzzing, other servers, the race detector (55 minutes; FUZZTIME=10s makes it 40)

proofs:
	@echo $(PROOFS)

# A walk prints how many cases it met.
walks = packages=$$(.ci/packages '$(1)' $(2:/...=)) && COFFER_PROVE=1 go test -count 1 -timeout 30m -parallel 8 -v -run '$(1)' $$packages | grep -v '^ *\(===\|--- PASS: .*/\)'

walk: SHELL := bash -o pipefail
walk: moto ## each command x request x fault, by the engine and by the program; killed, interrupted, expired (10 minutes)
	$(call walks,FaultWalk|TwoFaults|UnderFaults|WithTheProgramsClient,./store/...)
	$(call walks,FaultWalk|Killed|Interrupted|Expires|Clock|NoCommandTells|SurvivesEach|LostAnswer|CannotBeTold|CutOff|EachPair|Wire$$,./cmd)
	$(call walks,HoweverItIsSplit,./internal/mask)

schedules: ## the order of requests of several clients: each of two, many of three
	COFFER_PROVE=1 go test -count 1 -timeout 20m ./store/internal/engine/schedule

of_servers := On(MinIO|Versitygw|EachServer)

test-servers: $(minio) $(versitygw) $(gofakes3) $(rclone) moto age ## the tests on MinIO, versitygw, gofakes3 and rclone, which it builds once (3 minutes, and 5 to build them)
	packages=$$(.ci/packages '$(of_servers)' ./store) && \
		COFFER_TEST_TOOLS=$(TOOLS) go test -count 1 -tags servers -run '$(of_servers)' -timeout 20m $$packages ./cmd

# Tests of cmd that start many processes, each of them with the race detector in it: they took more than half
# of its time. Other tests start the same commands under it. The schedules are left out too: there, each request waits
# for its turn, and the tests of the engine make the same ones at once.
without_race := \
	TestADeletedSecretIsBroughtBack TestAMigrationKilledAtEachPutGoesOn TestAPolicyAllowsWhatItsRoleDoes \
	TestARekeyKilledTwentyTimesEndsRight TestASecretSurvivesEachCommandOnAServerThatIgnoresSubresources \
	TestAnEmptyWordCrashesNoCommand TestBucketNamesThatAreNoNames TestChamberWoundsHeal TestCheckNeedsNoRightToDecrypt \
	TestDoctorDeletesOnlyWhatHasAnOlderVersion TestDoctorFindsAndMendsWhatChamberLeaves TestDoctorNamesTheBackendOfABucket \
	TestDocumentsKeepTheirPromises TestDocumentsWithAMistakeAreNoticed TestEachFlagHasACompleter \
	TestErrorsNameWhatWasTried TestEveryRequestIsSignedAndNamesTheOwner TestExamplesOfHelpRun TestFailuresOnS3 TestFindPartsOfNames \
	TestGoldenScreens TestHelpIsOfOneLayout TestHintsWorkWhenTyped TestInitLeavesNothingOfAKilledCheck TestInitMakesABucketThatWorksOnEachServer \
	TestKeysAreFoundAsTheyAreListed TestKilledAtEachRequest TestMarksAndColour TestMemoryOfAListing \
	TestMigrateBetweenEachPairOfBackends TestMissingServiceIsTheSameEverywhere \
	TestMotoMissesEachActionOfThePrintedPolicies TestOneCommandsGrammarTellsWhatTheWholeOneTells \
	TestPolicyCheckTriesEachPermission TestRefusedShares TestSettingsThatCannotBeUsedAreRefusedEverywhere \
	TestShellsCompleteCommandsFlagsServicesAndKeys TestSlipsGetASuggestionThatWorks TestTablesOffATerminalAreTabSeparated \
	TestUsageErrorsSayWhatIsTaken TestUsageLinesCanBeTyped TestWhatDoctorNamesMendsTheLocalBackend \
	TestTheConfigurationPageHoldsTrue TestVersionsThatAreNotKeptAreNamed \
	TestWhateverAnOperatorTurnsOnNothingAcknowledgedIsLost \
	TestWire TestWireOfARekey TestWireOfEnvelopes TestWireOfKeys TestWireOfTeams TestWireOfThePast \
	TestWrongSettingsExitWithSeven
empty :=
space := $(empty) $(empty)

race: programs ## the tests under the race detector, but for those that only start processes, as all of integrations do (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 40m -parallel 4 -skip '^($(subst $(space),|,$(strip $(without_race))))$$' $$(go list ./... | grep -vE '/(integrations|schedule)$$')

lint: $(golangci-lint) $(actionlint) ## go vet, golangci-lint with the layer rules, formatting, the workflows
	go vet ./...
	go vet -C internal/formats/readers .
	go vet -C integrations/manifests .
	go vet -C packaging ./...
	$(actionlint) -shellcheck= -pyflakes=
	sed -n '/^on: push/,/^```/{/^```/!p}' docs/ci/github-actions.md | $(actionlint) -shellcheck= -pyflakes= -
	$(golangci-lint) run ./...

lint-selftest: $(golangci-lint) ## plant a violation of each lint rule and expect it to be found
	.ci/lint-selftest $(golangci-lint)

.PHONY: image-test
image-test: ## make the image and SBOMs; run the image as process 1 in namespaces of its own (needs root)
	go test -C packaging -count 1 ./...

fmt: $(golangci-lint) ## format as lint wants it
	$(golangci-lint) fmt ./...

vuln: $(govulncheck) ## known vulnerabilities in what we call
	.ci/vuln $(govulncheck)

cross: ## vet for the other systems we build for
	GOOS=windows go vet ./...
	GOOS=darwin go vet ./...

fuzz: ## every fuzz target for FUZZTIME (1m)
	.ci/fuzz $(FUZZTIME)

cover: moto readers inspector mise age ## coverage of the packages that promise some
	.ci/cover

mutants: ## plant mistakes in the protocol, one at a time, and expect the tests to find them (15 minutes)
	.ci/mutants

bench: moto ## benchmarks, and what each command costs on the wire
	go test -run '^$$' -bench . -benchmem ./...
	COFFER_PROVE=1 go test -run Wire -count 1 -v ./cmd/...

# Two builds side by side: BASE=<commit>, and COMPARE="-pairs 40 -rtt 0s,20ms -n 50,1000 -svg curves.svg".
.PHONY: bench-compare
bench-compare: ## this tree against BASE=<commit>: requests, and quotients of times with their quartiles (5 minutes on an idle machine)
	@test -n "$(BASE)" || { echo "make bench-compare BASE=<commit>" >&2; exit 2; }
	go run ./internal/testing/compare $(COMPARE) $(BASE)

# Packages have the version of a tag. Without one they are below any.
PLATFORMS       ?= linux/amd64 linux/arm64
PACKAGE_VERSION ?= $(patsubst v%,%,$(shell git describe --tags --exact-match 2>/dev/null || echo v0.0.0-git))
packaging       = VERSION=$(PACKAGE_VERSION) COMMIT=$(COMMIT) DATE=$(DATE) NFPM=$(nfpm) nice packaging

packages: $(nfpm) ## archives, deb, rpm, apk and Arch packages, with manual pages and completions, in dist/ (PLATFORMS="linux/amd64 ...")
	$(packaging)/build dist $(PLATFORMS)

packages-test: $(nfpm) ## build the packages twice and compare them; install, run and remove each
	$(packaging)/test

quickstart-time: $(nfpm) ## from a downloaded archive to the first secret that a program reads: under 10 seconds
	$(packaging)/build dist $$(go env GOOS)/$$(go env GOARCH)
	packaging/quickstart dist

RELEASE_PLATFORMS ?= $(foreach os,linux darwin windows freebsd,$(os)/amd64 $(os)/arm64)

.PHONY: release-build release-snapshot release-prove cosign
release-build: $(nfpm) ## all files of a release, in dist/files, and its image, in dist/image (RELEASE_PLATFORMS="linux/amd64 ...")
	$(packaging)/release dist $(RELEASE_PLATFORMS)

release-snapshot: release-build $(cosign) ## the same, signed with a throw-away key: dist/files/checksums.txt.sigstore.json, by dist/cosign.pub
	rm -f dist/cosign.*
	cd dist && COSIGN_PASSWORD= $(cosign) generate-key-pair
	COSIGN=$(cosign) COSIGN_PASSWORD= COSIGN_KEY=dist/cosign.key packaging/sign dist/files/checksums.txt
	rm dist/cosign.key

release-prove: $(cosign) ## make a release twice in fresh clones; sign, verify, install and run it. Builds cosign first (an hour in all)
	COSIGN=$(cosign) packaging/prove $(RELEASE_PLATFORMS)

cosign: $(cosign) ## build cosign
	@echo $(cosign)

tools: $(golangci-lint) $(govulncheck) $(nfpm) ## build the tools

clean: ## remove what make made here
	rm -rf coffer bin dist .cache cover*.out packaging/share

$(TOOLS)/golangci-lint@%/golangci-lint:
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*

$(TOOLS)/govulncheck@%/govulncheck:
	GOBIN=$(@D) go install golang.org/x/vuln/cmd/govulncheck@$*

$(TOOLS)/nfpm@%/nfpm:
	GOBIN=$(@D) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$*

$(TOOLS)/minio@%/minio:
	GOBIN=$(@D) go install github.com/minio/minio@$*

$(TOOLS)/actionlint@%/actionlint:
	GOBIN=$(@D) go install github.com/rhysd/actionlint/cmd/actionlint@$*

$(TOOLS)/cosign@%/cosign:
	GOBIN=$(@D) go install github.com/sigstore/cosign/v2/cmd/cosign@$*

# The small ones are programs of a module of their own, whose go.mod has their versions.
$(TOOLS)/gofakes3@%/gofakes3:
	cd internal/testing/serverstest/servers && GOBIN=$(@D) go install ./gofakes3

$(TOOLS)/rclone@%/rclone:
	cd internal/testing/serverstest/servers && GOBIN=$(@D) go install ./rclone

$(TOOLS)/versitygw@%/versitygw:
	GOBIN=$(@D) go install github.com/versity/versitygw/cmd/versitygw@$*
