package matching_test

import (
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards the announcements, from which the matching has its name: those of all parties, for this request and session, each in its place,
// and a party's own the one that it has just made.
func TestAnnouncements(t *testing.T) {
	old := newPlay(t, tiny, few(3)...)
	must(t, old.begin())
	for name, change := range map[string]func(p *play, all []*sottov1.Signed) []*sottov1.Signed{
		"none":       func(*play, []*sottov1.Signed) []*sottov1.Signed { return nil },
		"one less":   func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { return all[:2] },
		"one more":   func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { return append(all, all[0]) },
		"an empty":   func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[2] = nil; return all },
		"swapped":    func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[1], all[2] = all[2], all[1]; return all },
		"duplicated": func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[2] = all[1]; return all },
		"one of another session": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			run, err := matching.New(p.agreement, p.name(2), p.keys[2], p.request, [16]byte{7}, nil)
			must(t, err)
			all[2] = run.Announcement()
			return all
		},
		"one for another request": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			run, err := matching.New(p.agreement, p.name(2), p.keys[2], [32]byte{7}, p.session, nil)
			must(t, err)
			all[2] = run.Announcement()
			return all
		},
		"its own of before":        func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[0] = old.announcements[0]; return all },
		"all of before":            func(*play, []*sottov1.Signed) []*sottov1.Signed { return old.announcements },
		"altered":                  func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { flip(all[1].Body); return all },
		"its signature is altered": func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { flip(all[1].Signature); return all },
	} {
		p := old.again()
		for i := range p.keys {
			run, err := matching.New(p.agreement, p.name(i), p.keys[i], p.request, p.session, nil)
			must(t, err)
			p.runs, p.announcements = append(p.runs, run), append(p.announcements, run.Announcement())
		}
		_, err := p.runs[0].Open(change(p, slices.Clone(p.announcements)))
		p.refused(t, 0, err, name)
	}
}

// Guards the lengths of lists: as all parties have signed them for this matching, and the same with each list.
func TestLengths(t *testing.T) {
	old := newPlay(t, tiny, few(3)...)
	must(t, old.begin())
	say := func(p *play, party int, length int64) *sottov1.Signed {
		return protocol.Sign(p.keys[party], &protocol.MatchLength{Matching: p.matching, Party: p.name(party), Length: length})
	}
	list := protocol.ListID{Pass: protocol.PassTokens, Owner: 1, Hop: 0} // to party 2, which has had a list by then
	for name, change := range map[string]func(p *play, all []*sottov1.Signed) []*sottov1.Signed{
		"none":      func(*play, []*sottov1.Signed) []*sottov1.Signed { return nil },
		"one less":  func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { return all[:2] },
		"swapped":   func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[0], all[1] = all[1], all[0]; return all },
		"of before": func(*play, []*sottov1.Signed) []*sottov1.Signed { return old.lengths },
		"another for the owner": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			all[1] = say(p, 1, p.route.Lengths[1]-1)
			return all
		},
		"another for a third": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			all[0] = say(p, 0, p.route.Lengths[0]+1)
			return all
		},
		"another for who reads": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			all[2] = say(p, 2, p.route.Lengths[2]+1)
			return all
		},
		"more than a list can be": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			all[0] = say(p, 0, match.MaxPoints+1)
			return all
		},
	} {
		p := old.again()
		must(t, p.begin())
		must(t, p.until(list))
		parts, err := p.send(list)
		must(t, err)
		p.lengths = change(p, slices.Clone(p.lengths))
		p.refused(t, 2, p.deliver(list, parts), "lengths: "+name)
	}

	// A party is told at once that its own list has another length than it said, though nobody has said anything else before.
	p := old.again()
	must(t, p.begin())
	parts, err := p.send(list)
	must(t, err)
	p.lengths[2] = say(p, 2, p.route.Lengths[2]+1)
	p.refused(t, 2, p.deliver(list, parts), "another length of one's own")
}

// Guards the approvals: of all, of one spine and this matching, and a party's own the one that it gave.
func TestApprovals(t *testing.T) {
	old := newPlay(t, tiny, few(2)...)
	must(t, old.run())
	approve := func(p *play, party int, spine [32]byte, slots int64) *sottov1.Signed {
		return protocol.Sign(p.keys[party], &protocol.MatchApproval{Matching: p.matching, Party: p.name(party), Spine: spine, Slots: slots})
	}
	for name, change := range map[string]func(p *play, all []*sottov1.Signed) []*sottov1.Signed{
		"none":          func(*play, []*sottov1.Signed) []*sottov1.Signed { return nil },
		"one less":      func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { return all[:1] },
		"one missing":   func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[1] = nil; return all },
		"swapped":       func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[0], all[1] = all[1], all[0]; return all },
		"one twice":     func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[1] = all[0]; return all },
		"of before":     func(*play, []*sottov1.Signed) []*sottov1.Signed { return old.approvals },
		"one of before": func(_ *play, all []*sottov1.Signed) []*sottov1.Signed { all[1] = old.approvals[1]; return all },
		"another spine": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			all[1] = approve(p, 1, [32]byte{8}, int64(len(p.merged)))
			return all
		},
		"another length": func(p *play, all []*sottov1.Signed) []*sottov1.Signed {
			all[1] = approve(p, 1, [32]byte{}, 1)
			return all
		},
		"of a spine of others": func(p *play, _ []*sottov1.Signed) (all []*sottov1.Signed) { // all but the party itself
			for i := range p.keys {
				all = append(all, approve(p, i, [32]byte{8}, int64(len(p.merged))))
			}
			return all
		},
	} {
		p := old.again()
		must(t, p.begin())
		for _, list := range p.lists() {
			must(t, p.carry(list))
		}
		for _, run := range p.runs {
			approval, err := run.Approve()
			must(t, err)
			p.approvals = append(p.approvals, approval)
		}
		outcome, err := p.runs[0].Finish(change(p, slices.Clone(p.approvals)))
		if outcome != nil {
			t.Errorf("%s: there is an outcome", name)
		}
		p.refused(t, 0, err, "approvals: "+name)
	}
}
