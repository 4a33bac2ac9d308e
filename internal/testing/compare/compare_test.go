package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	p, err := parse([]string{"-pairs", "8", "-rtt", "0s,20ms", "-n", "10,50", "HEAD~1"}, io.Discard)
	if err != nil || p.commit != "HEAD~1" || p.pairs != 8 || len(p.sizes) != 2 || p.rtts[1] != 20*time.Millisecond {
		t.Errorf("%+v, %v", p, err)
	}
	for _, args := range []string{"", "a b", "-pairs 3 HEAD", "-rtt 20 HEAD", "-rtt -1s HEAD", "-n 0 HEAD", "-n x HEAD"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestQuotientsBetweenTwo(t *testing.T) {
	for part, want := range map[float64]float64{0: 1, 0.25: 1.75, 0.5: 2.5, 1: 4} {
		if got := (quotients{1, 2, 3, 4}).at(part); got != want {
			t.Errorf("%v of 1, 2, 3, 4 is %v", part, got)
		}
	}
}

func TestTheDrawingIsXMLWithEachCommand(t *testing.T) {
	var rows []row
	for _, w := range []work{{name: "exec"}, {name: "a < b"}} {
		for _, on := range storages([]time.Duration{time.Millisecond}) {
			for _, n := range []int{10, 1000} {
				rows = append(rows, row{work: w, on: on, n: n, wall: [2]time.Duration{time.Duration(n) * time.Millisecond, time.Millisecond}})
			}
		}
	}
	drawn := string(draw(rows))
	for d := xml.NewDecoder(strings.NewReader(drawn)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"exec", "a &lt; b", ">10<", ">1000<", ">1s<"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(drawn, "NaN") {
		t.Error("a point has no place")
	}
}
