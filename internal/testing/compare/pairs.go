package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// work is a command that is compared.
type work struct {
	name, args, stdin string
}

func works() []work {
	return []work{
		{name: "exec", args: "exec api -q -- true"},
		{name: "list", args: "list api"},
		{name: "export", args: "export api --format json"},
		{name: "read", args: "read api key_00001 -q"},
		{name: "write, an existing key", args: "write api key_00000 -", stdin: "value"},
		{name: "import, unchanged", args: "import api FILE"},
	}
}

// row compares one command.
type row struct {
	work
	on     storage
	n      int
	counts [2]wire.Summary // base, now
	wall   [2]time.Duration
	wallBy quotients // now / base
	cpuBy  quotients
}

// quotients are those of pairs, in order.
type quotients []float64

// at returns the quotient below which a part of all are, between two of them if need be.
func (q quotients) at(part float64) float64 {
	place := part * float64(len(q)-1)
	i := int(place)
	if i+1 == len(q) {
		return q[i]
	}
	return q[i] + (q[i+1]-q[i])*(place-float64(i))
}

func (q quotients) String() string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", q.at(0.5), q.at(0.25), q.at(0.75))
}

// compareOn compares each command on one storage with a service of n secrets.
func compareOn(ctx context.Context, dir string, builds [2]build, on storage, n, pairs int) ([]row, error) {
	at, err := on.open(dir, n)
	if err != nil {
		return nil, err
	}
	defer at.close()
	fill := work{args: "import api FILE"}
	if _, err := at.process(ctx, builds[0], fill); err != nil {
		return nil, err
	}
	var rows []row
	for _, w := range works() {
		r, err := at.compare(ctx, builds, w, pairs)
		if err != nil {
			return nil, err
		}
		r.n = n
		rows = append(rows, r)
	}
	return rows, nil
}

func (s *stage) compare(ctx context.Context, builds [2]build, w work, pairs int) (row, error) {
	r := row{work: w, on: s.storage}
	for i, b := range builds {
		if _, err := s.process(ctx, b, w); err != nil { // what a first run learns of the server is kept
			return row{}, err
		}
		var err error
		if r.counts[i], err = s.count(ctx, b, w); err != nil {
			return row{}, err
		}
	}
	var walls [2][]time.Duration
	for pair := range pairs {
		var costs [2]cost
		for turn := range 2 {
			i := (turn + pair) % 2
			var err error
			if costs[i], err = s.process(ctx, builds[i], w); err != nil {
				return row{}, err
			}
			walls[i] = append(walls[i], costs[i].wall)
		}
		r.wallBy = append(r.wallBy, float64(costs[1].wall)/float64(costs[0].wall))
		r.cpuBy = append(r.cpuBy, float64(costs[1].cpu)/float64(max(costs[0].cpu, 1)))
	}
	slices.Sort(r.wallBy)
	slices.Sort(r.cpuBy)
	for i := range walls {
		slices.Sort(walls[i])
		r.wall[i] = walls[i][len(walls[i])/2]
	}
	return r, nil
}

func printTable(out io.Writer, commit string, rows []row) error {
	_, err := fmt.Fprintf(out, "Now / %s, pair by pair: median (quartiles). Requests, depth.\n\n"+
		"| command | storage, round trip | secrets | before | now | before | now | time | CPU |\n|---|---|---|---|---|---|---|---|---|\n", commit)
	for _, r := range rows {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "| `%s` | %s | %d | %s | %s | %s | %s | %s | %s |\n", r.name, r.on, r.n,
			counted(r.counts[0]), counted(r.counts[1]), r.wall[0].Round(100*time.Microsecond), r.wall[1].Round(100*time.Microsecond), r.wallBy, r.cpuBy)
	}
	return err
}

func counted(s wire.Summary) string {
	if s.Requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%d, %d", s.Requests, s.Depth)
}
