package client

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Catalog is what can be asked about.
type Catalog struct {
	Collaboration string  `json:"collaboration"`
	Parties       []Party `json:"parties"`
}

// Party is what one party declares. Its names are as in questions, without the party's own.
type Party struct {
	Name          string      `json:"name"`
	Unavailable   string      `json:"unavailable,omitempty"` // why the party could not be asked; then all else is empty
	IdentityType  string      `json:"identity_type"`         // opaque, email or phone, or several joined by commas: parties can be compared that share one
	CustomersUpTo int64       `json:"customers_up_to"`       // public upper bound on its customers
	Segments      []string    `json:"segments"`
	Dimensions    []Dimension `json:"dimensions"`
	Measures      []Measure   `json:"measures"`
	Purposes      []string    `json:"purposes"`  // of the agreement's, those that it answers for
	Snapshot      string      `json:"snapshot"`  // version of its customers, in hexadecimal
	Matchings     []Matched   `json:"matchings"` // in which its customers have slots, the newest first
}

// Dimension divides a party's customers by its values and "unknown".
type Dimension struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Measure is an amount of each of a party's customers, clipped to bounds and rounded to steps.
type Measure struct {
	Name string     `json:"name"`
	Unit string     `json:"unit"`
	Clip [2]float64 `json:"clip"`
	Step float64    `json:"step"`
}

// Catalog fetches what every party declares. Every entry was signed by the party itself.
func (c *Client) Catalog(ctx context.Context) (*Catalog, error) {
	descriptors, unavailable, err := c.descriptors(ctx)
	if err != nil {
		return nil, err
	}
	catalog := &Catalog{Collaboration: c.agreement.Collaboration}
	for _, member := range c.agreement.Parties {
		p := Party{
			Name: member.Name, Unavailable: unavailable[member.Name],
			Segments: []string{}, Dimensions: []Dimension{}, Measures: []Measure{}, Purposes: []string{}, Matchings: []Matched{},
		}
		if d, ok := descriptors[member.Name]; ok {
			p.IdentityType, p.CustomersUpTo, p.Segments = d.IdentityType, d.CustomersUpTo, append([]string{"member"}, d.Segments...)
			for _, dimension := range d.Dimensions {
				p.Dimensions = append(p.Dimensions, Dimension{dimension.Name, dimension.Values})
			}
			for _, m := range d.Measures {
				p.Measures = append(p.Measures, Measure{m.Name, m.Unit, [2]float64{float64(m.Low) * m.Step, float64(m.High) * m.Step}, m.Step})
			}
			for _, m := range d.Matchings {
				p.Matchings = append(p.Matchings, matchedOf(m))
			}
			p.Purposes, p.Snapshot = append(p.Purposes, d.Purposes...), hex.EncodeToString(d.Snapshot[:])
		}
		catalog.Parties = append(catalog.Parties, p)
	}
	return catalog, nil
}

// descriptors returns the signed descriptors by party, and for parties without one the reason.
func (c *Client) descriptors(ctx context.Context) (map[string]*protocol.Descriptor, map[string]string, error) {
	response, err := c.rpc.Catalog(ctx, &sottov1.CatalogRequest{})
	if err != nil {
		return nil, nil, fault.From(err)
	}
	descriptors, unavailable := map[string]*protocol.Descriptor{}, map[string]string{}
	for _, member := range c.agreement.Parties {
		unavailable[member.Name] = "not in the coordinator's catalog"
	}
	for _, entry := range response.GetEntries() {
		member, ok := c.agreement.Party(entry.GetParty())
		if !ok {
			return nil, nil, fault.New(fault.Protocol, "catalog: %q is not a party of the agreement", entry.GetParty())
		}
		if entry.GetDescriptor_() == nil {
			unavailable[member.Name] = fmt.Sprintf("unavailable: %s", entry.GetUnavailable())
			continue
		}
		d := &protocol.Descriptor{}
		if err := protocol.Verify(entry.GetDescriptor_(), member.Key, member.Name, d); err != nil {
			return nil, nil, err
		}
		if d.Party != member.Name || d.Collaboration != c.agreement.Collaboration {
			return nil, nil, fault.New(fault.Protocol, "catalog: the entry of %s is another's", member.Name)
		}
		if d.Agreement != c.agreement.Hash() {
			return nil, nil, fault.New(fault.Stale, "%s holds another agreement than this one", member.Name).
				WithHint("all nodes and the analyst must hold the same agreement file")
		}
		descriptors[member.Name] = d
		delete(unavailable, member.Name)
	}
	return descriptors, unavailable, nil
}

// declared returns the descriptor of a party that a question names.
func declared(party string, descriptors map[string]*protocol.Descriptor, unavailable map[string]string) (*protocol.Descriptor, error) {
	if d, ok := descriptors[party]; ok {
		return d, nil
	}
	if why, ok := unavailable[party]; ok {
		return nil, fault.New(fault.Unavailable, "%s", why).WithParty(party).WithHint("try again when the party's node is up")
	}
	return nil, fault.New(fault.Unknown, "there is no party %q in the collaboration", party).WithHint("sotto catalog lists the parties")
}

// measureOf returns a declared measure.
func measureOf(party, name string, d *protocol.Descriptor) (query.Amount, error) {
	for _, m := range d.Measures {
		if m.Name == name && m.Party == party {
			return m, nil
		}
	}
	return query.Amount{}, fault.New(fault.Unknown, "%s has no measure %q", party, name).WithHint("sotto catalog lists the measures")
}

// dimension returns a declared dimension by its full name.
func dimension(fullName, party, name string, d *protocol.Descriptor) (query.Dimension, error) {
	for _, dimension := range d.Dimensions {
		if dimension.Name == name {
			return query.Dimension{Party: party, Name: name, Values: dimension.Values}, nil
		}
	}
	return query.Dimension{}, fault.New(fault.Unknown, "group-by %s: %s has no dimension %q", fullName, party, name).WithHint("sotto catalog lists the dimensions")
}
