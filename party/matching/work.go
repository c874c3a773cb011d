package matching

import (
	"maps"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
)

// work is what a party does with a list that comes in.
type work struct {
	add  func(chunk match.Points) error // as points come; chunk must not be changed
	done func(all match.Points) error   // when all were checked
}

// put lets a list be sent. A run that has died meanwhile takes none.
func (r *Run) put(lists map[protocol.ListID]match.Points) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.takesLists() {
		return fault.New(fault.Protocol, "the matching has ended")
	}
	maps.Copy(r.ready, lists)
	return nil
}

// takesLists tells whether lists may come in: also of others who are still to find themselves in the spine, when this party has. The
// caller holds r.mu.
func (r *Run) takesLists() bool { return r.step == begun || r.step == found }

// bring takes in this party's own list when it is back. It is never nil. A run that has died meanwhile takes none.
func (r *Run) bring(own match.Points) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.step != begun {
		return fault.New(fault.Protocol, "the matching has ended")
	}
	r.own = own
	return nil
}

// workOn returns what this party does with a list that is for it. The caller holds r.mu.
func (r *Run) workOn(list protocol.ListID) (work, error) {
	home := int(list.Owner) == r.self
	last := r.route.Last() == r.self
	onward := protocol.ListID{Pass: list.Pass, Owner: list.Owner, Hop: list.Hop + 1}
	s := r.secrets
	switch {
	case list.Pass == protocol.PassTokens && list.Hop == 0:
		return r.splitTokens(list.Owner, last), nil
	case list.Pass == protocol.PassTokens:
		return r.raise(func(p match.Points) (match.Points, error) { return match.Raise(nil, p, &s.Token) }, onward, true), nil
	case list.Pass == protocol.PassOwn && !home:
		return r.raise(func(p match.Points) (match.Points, error) { return match.Raise(nil, p, &s.Slot) }, onward, false), nil
	case list.Pass == protocol.PassOwn && last: // looked up before it is turned
		return work{match.Check, r.bring}, nil
	case list.Pass == protocol.PassOwn:
		return r.bringHome(), nil
	case list.Pass == protocol.PassSlots && !last:
		if list.Hop == 0 && r.route.Parties() == 2 && r.known == nil {
			return work{}, fault.New(fault.Protocol, "%s: comes before the list of the other party", list)
		}
		known := r.known
		return r.raise(func(p match.Points) (match.Points, error) { return match.Turn(p, s, known) }, onward, true), nil
	}
	if r.own == nil { // of the spine, and what it is made of
		return work{}, fault.New(fault.Protocol, "%s: comes before the list of %s is back", list, r.name())
	}
	if list.Pass == protocol.PassSlots {
		return r.makeSpine(r.own), nil
	}
	own := r.own
	return work{match.Check, func(all match.Points) error { return r.lookUp(all, own) }}, nil
}

// raise hands on what raising makes of a list, in a new order or in the same.
func (r *Run) raise(raise func(match.Points) (match.Points, error), onward protocol.ListID, shuffled bool) work {
	var out match.Points
	return work{
		func(chunk match.Points) error {
			raised, err := raise(chunk)
			out = append(out, raised...)
			return err
		},
		func(match.Points) error {
			if shuffled {
				out.Shuffle()
			}
			return r.put(map[protocol.ListID]match.Points{onward: out})
		},
	}
}

// splitTokens is the work on another's list as it left home: it goes on as tokens, and as what will come back to its owner.
func (r *Run) splitTokens(owner int64, last bool) work {
	var tokens, back match.Points
	return work{
		func(chunk match.Points) error {
			first, second, err := match.RaiseTwo(chunk, &r.secrets.Token, &r.secrets.Slot)
			tokens, back = append(tokens, first...), append(back, second...)
			return err
		},
		func(match.Points) error {
			if len(r.agreement.Parties) == 2 && !last {
				known := match.NewKnown(tokens, back)
				r.mu.Lock()
				r.known = known
				r.mu.Unlock()
			}
			tokens.Shuffle()
			return r.put(map[protocol.ListID]match.Points{
				{Pass: protocol.PassTokens, Owner: owner, Hop: 1}: tokens,
				{Pass: protocol.PassOwn, Owner: owner, Hop: 1}:    back,
			})
		},
	}
}

// bringHome is the work on this party's own list when it is back.
func (r *Run) bringHome() work {
	own := match.Points{}
	return work{
		func(chunk match.Points) error {
			turned, err := match.Turn(chunk, r.secrets, nil)
			own = append(own, turned...)
			return err
		},
		func(match.Points) error { return r.bring(own) },
	}
}

// makeSpine is the work on the union at the last party of pass B.
func (r *Run) makeSpine(own match.Points) work {
	var turned match.Points
	return work{
		func(chunk match.Points) error {
			part, err := match.Turn(chunk, r.secrets, nil)
			turned = append(turned, part...)
			return err
		},
		func(all match.Points) error {
			spine, slots, err := match.Finish(all, turned, own)
			if err != nil {
				return notFound(err)
			}
			lists := map[protocol.ListID]match.Points{}
			for party := range r.agreement.Parties {
				if party != r.self {
					lists[protocol.ListID{Pass: protocol.PassSpine, Owner: int64(party)}] = spine.Points()
				}
			}
			if err := r.put(lists); err != nil {
				return err
			}
			return r.find(spine, slots)
		},
	}
}

// lookUp is the work on the spine at all others.
func (r *Run) lookUp(all, own match.Points) error {
	spine, err := match.NewSpine(all)
	if err != nil {
		return notFound(err)
	}
	slots, err := spine.Find(own)
	if err != nil {
		return notFound(err)
	}
	return r.find(spine, slots)
}

// find keeps which slots this party's people have in a spine.
func (r *Run) find(spine *match.Spine, slots []uint32) error {
	hash, err := spine.Hash(r.matching)
	if err != nil {
		return notFound(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.advance(begun, found); err != nil {
		return err
	}
	r.spine, r.own = hash, nil
	if r.slots, err = r.entries.People(slots); err != nil {
		return r.fail(notFound(err))
	}
	return nil
}

func notFound(err error) error {
	return fault.New(fault.Protocol, "the spine: %v", err).Wrap(err).WithHint("a member's node, or the coordinator, does not follow the protocol")
}
