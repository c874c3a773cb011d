package sample

import (
	"slices"
	"strings"
)

// Person is one invented human being and what the companies know of them.
type Person struct {
	Name  string // first and last name
	Email string // the normal form of the e-mail; every person has another one

	first, last string
	age         int // index in ageBands
	region      int // index in regions
	affluence   int // about 0 to 100

	at [companies][]*record // per company the person's records in file order; none: not a customer
}

// Member reports whether the person is a customer of the party "bank", "grocer" or "airline".
// It panics, as do Has, Consents and Value, on a name that the demo does not have.
func (p Person) Member(party string) bool { return len(p.at[find(party)]) > 0 }

// Has reports whether the person is in the party's segment: whether any of the person's records there is.
// The segment "member" holds every customer of the party.
func (p Person) Has(party, segment string) bool {
	c := find(party)
	if segment == "member" {
		return len(p.at[c]) > 0
	}
	return slices.ContainsFunc(p.at[c], demo[c].segment(segment).holds)
}

// Consents reports whether the person is a customer of the party who consents to marketing: in all of their records there.
func (p Person) Consents(party string) bool {
	records := p.at[find(party)]
	return len(records) > 0 && !slices.ContainsFunc(records, func(r *record) bool { return !r.consent })
}

// Value returns the person's value of the party's dimension: that of the first record there, "unknown" if it is
// missing or not declared, and "" if the person is no customer of the party.
func (p Person) Value(party, dimension string) string {
	c := find(party)
	d := demo[c].dimension(dimension)
	if len(p.at[c]) == 0 {
		return ""
	}
	if value := d.value(p.at[c][0]); slices.Contains(d.values, value) {
		return value
	}
	return unknown
}

// unknown is the implicit last value of every dimension.
const unknown = "unknown"

var (
	ageBands = []string{"18-24", "25-34", "35-44", "45-54", "55-64", "65+"}
	regions  = []string{"north", "east", "south", "west", "capital"}
)

// newPerson invents a customer of the companies in the set where, a bit per company. Flyers are younger and better
// off, grocery shoppers somewhat older; people are best off between 45 and 64, and in the capital.
func newPerson(s *stream, where int, taken map[string]struct{}) Person {
	var p Person
	p.first, p.last = fullName(s)
	p.Name = p.first + " " + p.last
	p.Email = address(s, p.first, p.last, taken)

	weights := []int{11, 20, 18, 18, 16, 17}
	p.affluence = (s.IntN(101) + s.IntN(101) + s.IntN(101)) / 3
	if where>>grocer&1 == 1 {
		weights = []int{7, 17, 20, 20, 18, 18}
	}
	if where>>airline&1 == 1 {
		weights = []int{8, 25, 23, 21, 14, 9}
		p.affluence += 12
	}
	p.age = s.Weighted(weights...)
	p.region = s.Weighted(18, 16, 21, 17, 28)
	p.affluence += []int{-16, -4, 2, 8, 6, -3}[p.age]
	if regions[p.region] == "capital" {
		p.affluence += 6
	}
	return p
}

// record is what one row of a company's file says. Every company keeps some of it.
type record struct {
	ageBand   string // here and below "" is missing, and a value may be one that no dimension declares
	region    string
	tier      string // bank: card; airline: status
	cabin     string // airline: the cabin mostly booked
	spend     int    // per year, in hundredths; -1 is missing
	interests []string
	consent   bool
	since     int // day of signing up, see day
}

// gap returns value or, now and then, what real files have in its place: nothing, or a word nobody declared.
func gap(s *stream, value, undeclared string) string {
	switch s.Weighted(990, 6, 4) {
	case 1:
		return ""
	case 2:
		return undeclared
	default:
		return value
	}
}

// common draws what all companies ask for. Seven people in a hundred have told one of them of another region.
func common(s *stream, p *Person, consent float64) record {
	region := regions[p.region]
	if s.Chance(0.07) {
		region = pick(s, regions)
	}
	earliest := 0
	if p.age == 0 {
		earliest = day(2019, 1, 1)
	}
	return record{
		ageBand: gap(s, ageBands[p.age], "n/a"),
		region:  gap(s, region, "abroad"),
		consent: s.Chance(consent),
		since:   earliest + s.IntN(day(2025, 10, 1)-earliest),
	}
}

// amount draws a yearly spend around typical, in hundredths: half to three times, seldom more than twice. Now and then
// it is missing.
func amount(s *stream, typical int) int {
	if s.Chance(0.004) {
		return -1
	}
	return typical * (50 + s.IntN(100)) / 100 * (100 + s.IntN(2)*s.IntN(100)) / 100
}

// level is the highest index whose threshold the score reaches; the first threshold is never asked for.
func level(score int, thresholds ...int) int {
	reached := 0
	for i, t := range thresholds {
		if score >= t {
			reached = i + 1
		}
	}
	return reached
}

// amend changes what a later row of the same customer may say differently.
func (r *record) amend(s *stream) {
	r.consent = !r.consent
	r.region = pick(s, regions)
	r.spend = amount(s, 200000)
	if r.tier != "" {
		r.tier = "gold"
	}
}

func (r *record) likes(interest string) bool { return slices.Contains(r.interests, interest) }

// interests draws each topic with its weight in a hundred.
func interests(s *stream, topics []string, weights ...int) []string {
	var liked []string
	for i, topic := range topics {
		if s.IntN(100) < weights[i] {
			liked = append(liked, topic)
		}
	}
	return liked
}

func joined(interests []string) string { return strings.Join(interests, ", ") }
