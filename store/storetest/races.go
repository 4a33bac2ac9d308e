package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/coffer-secrets/coffer/store"
)

const (
	racers     = 8  // conditional writes, and writers of one key
	raceRounds = 3  // of conditional updates
	raceKeys   = 32 // written at the same time
)

type attempt struct {
	text   string
	result store.Result
	err    error
}

// race starts n concurrent writes and returns their results.
func (s *session) race(n int, o store.WriteOptions, key func(i int) string) []attempt {
	s.Helper()
	attempts := make([]attempt, n)
	start := make(chan struct{})
	var writers sync.WaitGroup
	for i := range attempts {
		id, text := s.id(key(i)), fmt.Sprintf("by writer %d", i)
		writers.Go(func() {
			<-start
			r, err := s.store.Write(s.ctx, id, secret(text), o)
			attempts[i] = attempt{text, r, err}
		})
	}
	close(start)
	writers.Wait()
	return attempts
}

func same(key string) func(int) string { return func(int) string { return key } }

// wantOneWinner checks that one attempt created this version and the others got a conflict.
func (s *session) wantOneWinner(attempts []attempt, version int) {
	s.Helper()
	var winners []attempt
	for _, a := range attempts {
		switch {
		case a.err == nil:
			winners = append(winners, a)
		case !errors.Is(a.err, store.ErrConflict):
			s.Errorf("a loser's error is %v; want a conflict", a.err)
		}
	}
	if len(winners) != 1 {
		s.Fatalf("%d writers made version %d; want 1", len(winners), version)
	}
	if got := winners[0].result.Meta.Version; got != version {
		s.Errorf("the winner made version %d; want %d", got, version)
	}
	s.wantSecret("key", store.Latest, winners[0].text, version)
}

func raceCreate(s *session) {
	s.wantOneWinner(s.race(racers, store.WriteOptions{IfVersion: ptr(0)}, same("key")), 1)
}

func raceUpdate(s *session) {
	s.write("key", "first", store.WriteOptions{})
	for version := 1; version <= raceRounds; version++ {
		s.wantOneWinner(s.race(racers, store.WriteOptions{IfVersion: ptr(version)}, same("key")), version+1)
	}
}

func raceOneKey(s *session) {
	attempts := s.race(racers, store.WriteOptions{}, same("key"))
	texts := map[int]string{}
	for _, a := range attempts {
		if a.err != nil {
			s.Fatalf("a writer failed: %v", a.err)
		}
		texts[a.result.Meta.Version] = a.text
	}
	if len(texts) != racers {
		s.Fatalf("%d writers made %d different versions", racers, len(texts))
	}
	for version := 1; version <= racers; version++ {
		s.wantSecret("key", version, texts[version], version)
	}
	s.wantLoad(map[string]string{"key": texts[racers]})
}

func raceManyKeys(s *session) {
	attempts := s.race(raceKeys, store.WriteOptions{}, func(i int) string { return fmt.Sprintf("key%02d", i) })
	want := map[string]string{}
	for i, a := range attempts {
		if a.err != nil {
			s.Fatalf("a writer failed: %v", a.err)
		}
		want[fmt.Sprintf("key%02d", i)] = a.text
	}
	s.wantLoad(want)
}

// raceReaders loads repeatedly while one secret is written. Each result must be a value that was
// written, and none may be older than the one before it.
func raceReaders(s *session) {
	texts := []string{"", "v1", "v2", "v3", "v4", "v5", "v6"}
	s.write("key", texts[1], store.WriteOptions{})
	written := make(chan error, 1)
	go func() {
		for _, text := range texts[2:] {
			if _, err := s.store.Write(s.ctx, s.id("key"), secret(text), store.WriteOptions{}); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	newest := 1
	for done := false; !done; {
		select {
		case err := <-written:
			if err != nil {
				s.Fatal(err)
			}
			done = true
		default:
		}
		contents, err := s.store.Load(s.ctx, s.service)
		if err != nil || len(contents.Secrets) != 1 {
			s.Fatalf("load: %d secrets, error %v; want 1", len(contents.Secrets), err)
		}
		got := slices.IndexFunc(texts, func(text string) bool { return contents.Secrets[0].Value == secret(text) })
		if got < newest {
			s.Fatalf("load answers with value %d after value %d", got, newest)
		}
		newest = got
	}
	if newest != len(texts)-1 {
		s.Errorf("after the last write, load answers with value %d; want %d", newest, len(texts)-1)
	}
}
