package simulation

import (
	"context"

	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// matchConductor is a hostile coordinator that begins a matching by hand.
type matchConductor struct {
	*cluster
	signed        *sottov1.Signed
	session       [16]byte
	parties       []sottov1.PartyClient
	announcements []*sottov1.Signed
}

// askMatch begins a matching that somebody asks for, who may be the coordinator.
func (c *cluster) askMatch(by string) *matchConductor {
	c.Helper()
	return c.replay(protocol.Sign(c.keys[by], protocol.NewMatching(c.agreement, by, c.now())))
}

// replay begins a matching for a request that is signed already.
func (c *cluster) replay(signed *sottov1.Signed) *matchConductor {
	c.Helper()
	k := &matchConductor{cluster: c, signed: signed, session: protocol.NewSession()}
	for _, p := range c.parties {
		k.parties = append(k.parties, p.dial())
	}
	return k
}

// prepare is step 1 at one party after the other, until one refuses.
func (k *matchConductor) prepare() error {
	k.announcements = nil
	for _, p := range k.parties {
		r, err := p.MatchPrepare(context.Background(), &sottov1.MatchPrepareRequest{Session: k.session[:], Matching: k.signed})
		if err != nil {
			return err
		}
		k.announcements = append(k.announcements, r.GetAnnouncement())
	}
	return nil
}

// open is step 2: after it the matching is paid for.
func (k *matchConductor) open() error {
	for _, p := range k.parties {
		if _, err := p.MatchOpen(context.Background(), &sottov1.MatchOpenRequest{Session: k.session[:], Announcements: k.announcements}); err != nil {
			return err
		}
	}
	return nil
}

// forget ends it everywhere.
func (k *matchConductor) forget() {
	k.Helper()
	for _, p := range k.parties {
		_, err := p.Forget(context.Background(), &sottov1.ForgetRequest{Session: k.session[:]})
		k.must(err)
	}
}
