package protocol_test

import (
	"bytes"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards the identifier that everything else of a matching is bound to: whatever byte of an announcement is another one, the
// announcement is refused or the matching is another one. Keys that lists can't be sealed to are refused, and so are more
// matchings held than can be.
func TestSealingKeys(t *testing.T) {
	m := newMatching(t)
	honest := each(m, m.announcements)
	id, err := m.verifyAnnouncements(honest)
	if err != nil {
		t.Fatal(err)
	}
	stride := 13 // one by one takes 4 s
	if os.Getenv("SOTTO_LONG") == "1" {
		stride = 1
	}
	seen := map[[32]byte]bool{id: true}
	for i, party := range m.agreement.Parties {
		with := func(a protocol.MatchAnnouncement) ([32]byte, error) {
			list := slices.Clone(honest)
			list[i] = protocol.Sign(m.keys[party.Name], &a)
			return m.verifyAnnouncements(list)
		}
		taken := 0
		body := honest[i].GetBody()
		for at := 0; at < len(body); at += stride {
			altered := bytes.Clone(body)
			altered[at] ^= 1
			var a protocol.MatchAnnouncement
			if canon.Decode(a.Domain(), altered, &a) != nil {
				continue
			}
			id, err := with(a)
			if err != nil {
				named(t, party.Name, "altered", err)
				continue
			}
			if seen[id] {
				t.Fatalf("byte %d of %s's announcement altered, and the matching is the same", at, party.Name)
			}
			seen[id] = true
			taken++
		}
		if taken < len(body)/stride/2 {
			t.Errorf("only %d of %d altered announcements were taken: the test shows little", taken, len(body)/stride)
		}
		good := m.announcements[i].Key
		smallOrder, unreduced := bytes.Clone(good), bytes.Clone(good)
		clear(smallOrder[len(good)-32:])
		copy(unreduced, bytes.Repeat([]byte{0xff}, 96))
		for what, key := range map[string][]byte{
			"nothing": nil, "cut": good[1:], "longer": append(bytes.Clone(good), 0), "small order": smallOrder, "unreduced": unreduced,
			"zero": make([]byte, len(good)),
		} {
			a := *m.announcements[i]
			a.Key = key
			_, err := with(a)
			named(t, party.Name, "a key that is "+what, err)
		}
		for held, ok := range map[int]bool{0: true, 16: true, 17: false, 30_000: false} {
			a := *m.announcements[i]
			a.Holds = make([][32]byte, held)
			if _, err := with(a); ok && err != nil {
				t.Errorf("%d matchings held: %v", held, err)
			} else if !ok {
				named(t, party.Name, "too many held", err)
			}
		}
	}
	// What is told of another request, or in another session, is not of this one, although all say the same.
	_, _, err = protocol.VerifyAnnouncements(honest, m.agreement, [32]byte{1}, m.session)
	named(t, "bank", "another request", err)
	_, _, err = protocol.VerifyAnnouncements(honest, m.agreement, [32]byte{2}, [16]byte{8})
	named(t, "bank", "another session", err)
}

// Guards memory, and sums of lengths: a list has 0 to match.MaxPoints points, whoever signs it.
func TestLengthsOfLists(t *testing.T) {
	m := newMatching(t)
	for length, ok := range map[int64]bool{
		0: true, match.MaxPoints: true, match.MaxPoints + 1: false, -1: false, math.MaxInt64: false, math.MinInt64: false, 1 << 32: false,
	} {
		m.lengths[1].Length = length
		lengths, err := protocol.VerifyLengths(each(m, m.lengths), m.agreement, m.id)
		if ok && (err != nil || !slices.Equal(lengths, []int64{100, length, 300})) {
			t.Errorf("length %d: lengths are %d, %v", length, lengths, err)
		} else if !ok {
			named(t, "shop", "length out of range", err)
		}
	}
}

// Guards what goes round as the union: it is the coordinator's word, of this matching, and has as many tokens as a union of
// lists so long can have. An error does not tell how long they are.
func TestVerifyUnion(t *testing.T) {
	m := newMatching(t)
	const coordinator, most = agreement.CoordinatorName, match.MaxPoints
	lengths := []int64{100, 200, 300}
	signed := protocol.Sign(m.keys[coordinator], m.union)
	back, err := protocol.VerifyUnion(signed, m.agreement, m.id, lengths)
	if err != nil || *back != *m.union {
		t.Fatalf("verified %+v, %v", back, err)
	}
	mutations(reflect.ValueOf(m.union).Elem(), "MatchUnion", func(path string) {
		altered := &sottov1.Signed{Body: canon.Encode(m.union.Domain(), m.union), Signature: signed.GetSignature()}
		_, err := protocol.VerifyUnion(altered, m.agreement, m.id, lengths)
		named(t, coordinator, path+" altered", err)
		_, err = protocol.VerifyUnion(protocol.Sign(m.keys[coordinator], m.union), m.agreement, m.id, lengths)
		if strings.Contains(path, ".Matching") {
			named(t, coordinator, path+" signed anew", err)
		} else if err != nil {
			t.Errorf("%s signed anew: %v", path, err)
		}
	})
	for signer, key := range m.keys {
		if signer != coordinator {
			_, err := protocol.VerifyUnion(protocol.Sign(key, m.union), m.agreement, m.id, lengths)
			named(t, coordinator, "signed by "+signer, err)
		}
	}
	_, err = protocol.VerifyUnion(nil, m.agreement, m.id, lengths)
	named(t, coordinator, "nothing", err)
	for _, c := range []struct {
		lengths     []int64
		least, most int64 // most < least for no length at all
	}{
		{lengths, 300, 600},
		{[]int64{300, 0}, 300, 300},
		{[]int64{0, 1, 0}, 1, 1},
		{[]int64{0, 0}, 1, 0},
		{[]int64{most, 1}, most, most},
		{[]int64{most, most, most, most, most, most, most, most}, most, most},
	} {
		for _, n := range []int64{math.MinInt64, -1, 0, c.least - 1, c.least, c.most, c.most + 1, most + 1, 8 * most, 1 << 32, math.MaxInt64} {
			m.union.Length = n
			_, err := protocol.VerifyUnion(protocol.Sign(m.keys[coordinator], m.union), m.agreement, m.id, c.lengths)
			if ok := c.least <= n && n <= c.most; ok && err != nil {
				t.Errorf("lists of %d, %d in the union: %v", c.lengths, n, err)
			} else if !ok {
				named(t, coordinator, "union out of range", err)
				if err != nil && regexp.MustCompile(`\d`).MatchString(err.Error()) {
					t.Errorf("error tells a count: %v", err)
				}
			}
		}
	}
}
