package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"time"
)

// The drawing, in pixels: a panel for each command, four in a row.
const (
	panelWide, panelHigh = 260, 200
	margin               = 40
	inRow                = 3
)

// draw draws the times of each command over the number of secrets, both axes logarithmic: the build before in grey,
// this one in blue; a dashed line is a local storage, each further one an S3 at its round-trip time.
func draw(rows []row) []byte {
	var names []string
	of := map[string][]row{}
	for _, r := range rows {
		if of[r.name] == nil {
			names = append(names, r.name)
		}
		of[r.name] = append(of[r.name], r)
	}
	lines := (len(names) + inRow - 1) / inRow
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", inRow*panelWide, lines*panelHigh)
	out.WriteString("<title>Time of each command over the number of secrets: before in grey, now in blue</title>\n" +
		`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, name := range names {
		fmt.Fprintf(&out, `<g transform="translate(%d,%d)">`+"\n", i%inRow*panelWide, i/inRow*panelHigh)
		drawPanel(&out, name, of[name])
		out.WriteString("</g>\n")
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// scale maps values to pixels by their logarithms.
type scale struct {
	least, most float64
	from, to    float64
}

func (s scale) at(v float64) float64 {
	if s.most == s.least {
		return (s.from + s.to) / 2
	}
	return s.from + (math.Log(v)-math.Log(s.least))/(math.Log(s.most)-math.Log(s.least))*(s.to-s.from)
}

func (s *scale) add(v float64) {
	if s.least == 0 || v < s.least {
		s.least = v
	}
	s.most = max(s.most, v)
}

func drawPanel(out *bytes.Buffer, name string, rows []row) {
	x := scale{from: margin, to: panelWide - 15}
	y := scale{from: panelHigh - margin, to: margin}
	var on []storage
	of := map[storage][]row{}
	for _, r := range rows {
		x.add(float64(r.n))
		y.add(float64(r.wall[0]))
		y.add(float64(r.wall[1]))
		if of[r.on] == nil {
			on = append(on, r.on)
		}
		of[r.on] = append(of[r.on], r)
	}
	fmt.Fprintf(out, `<text x="%d" y="20" font-weight="bold">%s</text>`+"\n", margin, html.EscapeString(name))
	for _, v := range []float64{y.least, y.most} {
		fmt.Fprintf(out, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", margin-4, y.at(v)+4, short(time.Duration(v)))
	}
	for _, r := range of[on[0]] {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x.at(float64(r.n)), panelHigh-margin+16, r.n)
	}
	for _, s := range on {
		dash := ""
		if s.local {
			dash = ` stroke-dasharray="4 3"`
		}
		for i, colour := range []string{"#999999", "#0b63c5"} {
			fmt.Fprintf(out, `<polyline fill="none" stroke="%s" stroke-width="1.5"%s points="`, colour, dash)
			for _, r := range of[s] {
				fmt.Fprintf(out, "%.1f,%.1f ", x.at(float64(r.n)), y.at(float64(r.wall[i])))
			}
			out.WriteString(`"/>` + "\n")
		}
		last := of[s][len(of[s])-1]
		fmt.Fprintf(out, `<text x="%d" y="%.1f" text-anchor="end" fill="#555555">%s</text>`+"\n", panelWide-15, y.at(float64(last.wall[1]))-5, html.EscapeString(s.String()))
	}
}

// short is a duration in two digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}
