package sample

import (
	"fmt"
	"io"
	"strconv"
)

// BenchOverlap returns how many of n customers the two companies of [Bench] share: half of them, rounded down.
func BenchOverlap(n int) int { return n / 2 }

// Bench writes two companies, "left" and "right", into dir, as [World.Write] does. Each has n customers, 1 or more, in
// an order of its own, and one tidy row for each with the columns email, tier, cohort and active; BenchOverlap(n) of
// them are the same people. It uses little memory, however large n is. Equal n give equal files.
func Bench(dir string, n int) ([]Company, error) {
	if n < 1 {
		return nil, fmt.Errorf("write sample customers: %d customers asked for, must be 1 or more", n)
	}
	var written []Company
	for side, name := range []string{"left", "right"} {
		c := company{
			name: name, id: "email", bound: n,
			segments:   []segment{{name: "active", sql: "active = 'true'"}},
			dimensions: []dimension{{name: "cohort", sql: "cohort", values: cohorts}},
		}
		done, err := save(dir, &c, func(out io.Writer) error {
			// On the left are the people 0 to n-1; those on the right begin with the first of the shared ones.
			return benchRows(out, newStream("bench", name), side*(n-BenchOverlap(n)), n)
		})
		if err != nil {
			return nil, err
		}
		written = append(written, done)
	}
	return written, nil
}

// cohorts divide the companies of [Bench] evenly.
var cohorts = []string{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"}

// benchRows writes one row for each of the people first to first+n-1.
func benchRows(out io.Writer, s *stream, first, n int) error {
	line := []byte("email,tier,cohort,active\n")
	if _, err := out.Write(line); err != nil {
		return err
	}
	mailboxes := benchMailboxes()
	// Steps that have no divisor in common with n visit every one of n places once.
	step := 1 + s.IntN(n)
	for coprime := false; !coprime; coprime = gcd(step, n) == 1 {
		step = step%n + 1
	}
	at := s.IntN(n)
	for range n {
		person := first + at
		line = append(line[:0], mailboxes[person%len(mailboxes)]...)
		line = strconv.AppendInt(append(line, '.'), int64(person), 10)
		line = append(append(line, '@'), domains[person%len(domains)]...)
		// Three pieces of 16 bits each choose among a few values.
		random := s.Uint64()
		line = append(append(line, ','), bankTiers[int(random&0xffff)*len(bankTiers)>>16]...)
		line = append(append(line, ','), cohorts[int(random>>16&0xffff)*len(cohorts)>>16]...)
		line = append(append(line, ','), either(random>>32&0xffff < 0xc000, "true\n", "false\n")...)
		if _, err := out.Write(line); err != nil {
			return err
		}
		at = (at + step) % n
	}
	return nil
}

// benchMailboxes returns names to begin an e-mail with.
func benchMailboxes() []string {
	var out []string
	for _, c := range cultures {
		for i, first := range c.first {
			out = append(out, plain(first)+"."+inMailbox.Replace(plain(c.last[i])))
		}
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
