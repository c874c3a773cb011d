package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// Policy writes the public page for customers. It is of fault.Invalid if the config lacks what the page must say: who is
// responsible, whom to turn to, and on what ground each purpose rests (GDPR, Art. 13(1)).
func Policy(a *agreement.Agreement, c *config.Party, now time.Time) (*Document, error) {
	if missing := missing(c); missing != nil {
		return nil, fault.New(fault.Invalid, "the page for customers would not say %s", joined(missing)).
			WithHint("declare about: {controller: …, contact: …}, and basis: for a purpose that needs no consent, in the party's file")
	}
	return &Document{
		Title:    "What we compute with your data, together with partners",
		Subtitle: fmt.Sprintf("%s. As of %s.", c.About.Controller, day(now)),
		Sections: []section{
			whoWeAre(a, c), whatFor(c), whichFacts(a, c), whatPartnersGet(a), howLong(a, c), yourRights(c),
		},
	}, nil
}

func missing(c *config.Party) (all []string) {
	if c.About.Controller == "" {
		all = append(all, "who is responsible")
	}
	if c.About.Contact == "" && c.About.Link == "" {
		all = append(all, "whom customers can turn to")
	}
	for _, name := range c.PurposeNames() {
		if ground(c.Purposes[name]) == "" {
			all = append(all, fmt.Sprintf("on what ground data is used for %q", name))
		}
	}
	return all
}

func whoWeAre(a *agreement.Agreement, c *config.Party) section {
	var partners, analysts []string
	for _, p := range a.Parties {
		if p.Name != c.Name {
			partners = append(partners, p.Name)
		}
	}
	for _, p := range a.Analysts {
		if who := p.Budget(); !slices.Contains(analysts, who) {
			analysts = append(analysts, who)
		}
	}
	slices.Sort(partners)
	slices.Sort(analysts)
	who := []fact{{"Responsible for your data", plain(c.About.Controller)}}
	who = append(who, turnTo(c)...)
	who = append(who, fact{"Name of the collaboration", plain(a.Collaboration)})
	blocks := []block{
		say("Together with partner companies we find out how many customers we have in common, for example in an age group. Nobody sees who they are: " +
			"not the partners, and not those who run the service."),
		facts(who...), say("Our partners:"), list(partners...),
	}
	if len(analysts) > 0 {
		blocks = append(blocks, say("Who may ask questions and gets the answers:"), list(analysts...))
	}
	return section{Title: "Who we are, and with whom we do this", Blocks: blocks}
}

// turnTo returns whom customers can turn to.
func turnTo(c *config.Party) (all []fact) {
	if c.About.Contact != "" {
		all = append(all, fact{"Contact", contact(c.About.Contact)})
	}
	if c.About.Link != "" {
		all = append(all, fact{"Page", linked(c.About.Link, c.About.Link)})
	}
	if c.About.DPO != "" {
		all = append(all, fact{"Data-protection officer", contact(c.About.DPO)})
	}
	return all
}

func whatFor(c *config.Party) section {
	t := &table{Columns: []string{"Purpose", "Legal ground", "Whose data", "How long your consent holds"}}
	for _, name := range c.PurposeNames() {
		u := c.Purposes[name]
		t.Rows = append(t.Rows, plains(spelled(name), ground(u), takesPart(u), validity(u)))
	}
	return section{Title: "What for, and on what ground", Blocks: []block{
		{Table: t}, say("Your data takes part in no question for anything else. An answer is about many people at once: it is nothing that a decision about you could rest on."),
	}}
}

func whichFacts(a *agreement.Agreement, c *config.Party) section {
	var names, identifiers []string
	for _, all := range [][]string{
		slices.Sorted(maps.Keys(c.Segments)), slices.Sorted(maps.Keys(c.Dimensions)), slices.Sorted(maps.Keys(c.Measures)),
	} {
		for _, name := range all {
			names = append(names, spelled(name))
		}
	}
	for _, i := range inOrder(a, c) {
		identifiers = append(identifiers, idWord(i.Type))
	}
	facts := append([]string{"that you are our customer"}, names...)
	return section{Title: "Which facts", Blocks: []block{
		say("To find customers in common, the computers of all partners compare, encrypted, your %s. No partner gets it from us. "+
			"These kinds of facts can be counted or added up over many customers:", strings.Join(identifiers, " or ")),
		list(facts...),
	}}
}

func whatPartnersGet(a *agreement.Agreement) section {
	noise := "Every company adds such a number of its own, so that none has to trust another with it."
	if a.Noise == agreement.NoiseCoordinator {
		noise = "A coordinator that has no data of its own adds it, and must not tell anybody what it was."
	}
	return section{Title: "What partners get", Blocks: []block{
		say("Only totals over many people, such as \"about 1,400\", and never anything about one person. To each total a random number is added: nobody can tell "+
			"from it whether you, or anybody else, are among those counted. %s", noise),
		say("How much all answers together can tell is limited in advance. When that limit is reached, no more questions are answered."),
		say("Before anything leaves us it is encrypted with a key that is made for that one question, and that no company has alone."),
	}}
}

func howLong(a *agreement.Agreement, c *config.Party) section {
	keep := "We have set no fixed period: we use data while it is in our records and the purpose lasts."
	if c.Retention.Declared() {
		keep = fmt.Sprintf("We use no data that is older than %s.", c.Retention.KeepFor)
	}
	return section{Title: "How long", Blocks: []block{
		say("%s For these computations it is held in memory only. What we store is who was among the customers of which question, encrypted and without names, "+
			"so that we can tell you when you ask%s.", keep, ifMatched(a, "; and at which place of such encrypted lists each customer is")),
	}}
}

func yourRights(c *config.Party) section {
	return section{Title: "What you can do", Blocks: []block{
		list(
			"Withdraw your consent or object, for one purpose or for all, at any time and without giving a reason. From the next question on you are not in it.",
			"Have yourself erased from these computations. We then keep only a scrambled mark, so that you are not taken in again.",
			"Ask what is held on you, and in which questions your data took part: when, for what purpose, and who asked.",
			"Have wrong data corrected, have its use restricted, or get what you gave us in a form that you can take elsewhere.",
			"Complain to a data-protection authority.",
		),
		say("None of it costs you anything. Answers given before can't be taken back; there is nothing about you by yourself in them. We answer within a month. Turn to:"),
		facts(turnTo(c)...),
	}}
}
