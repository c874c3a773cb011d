package sample

import "strconv"

// demo is the three companies. Each keeps other columns, under other names, and keeps them differently well.
var demo = [companies]company{
	bank: {
		name: "bank", id: "email", bound: 25000, messy: 0.05,
		draw:    drawBank,
		consent: "consent = 'yes'",
		columns: []column{
			{"account", func(r *row) string { return strconv.Itoa(40000000 + r.number) }},
			{"name", func(r *row) string { return r.last + ", " + r.first + nickname(r) }},
			{"email", func(r *row) string { return r.email }},
			{"age_band", func(r *row) string { return r.ageBand }},
			{"region", func(r *row) string { return r.region }},
			{"tier", func(r *row) string { return r.tier }},
			{"spend", func(r *row) string { return r.money() }},
			{"consent", func(r *row) string { return either(r.consent, "yes", "no") }},
			{"opened", func(r *row) string { return r.date("2006-01-02") }},
		},
		segments: []segment{
			{"gold", "tier = 'gold'", func(r *record) bool { return r.tier == "gold" }},
			{"consent", "consent = 'yes'", func(r *record) bool { return r.consent }},
			{
				"recent", "try_cast(opened AS DATE) >= DATE '2024-01-01'",
				func(r *record) bool { return r.since >= day(2024, 1, 1) },
			},
		},
		dimensions: []dimension{
			{"age_band", "age_band", ageBands, func(r *record) string { return r.ageBand }},
			{"region", "region", regions, func(r *record) string { return r.region }},
			{"tier", "tier", bankTiers, func(r *record) string { return r.tier }},
		},
	},
	grocer: {
		name: "grocer", id: "E-Mail", bound: 20000, messy: 0.2, crlf: true,
		draw:    drawGrocer,
		consent: "Consent = 'Y'",
		columns: []column{
			{"Card", func(r *row) string { return "G-" + strconv.Itoa(100000+r.number) }},
			{"First name", func(r *row) string { return r.first }},
			{"Last name", func(r *row) string { return r.last }},
			{"E-Mail", func(r *row) string { return r.email }},
			{"Age", func(r *row) string { return r.ageBand }},
			{"Home region", func(r *row) string { return r.region }},
			{"Spend", func(r *row) string { return r.money() }},
			{"Interests", func(r *row) string { return joined(r.interests) }},
			{"Consent", func(r *row) string { return either(r.consent, "Y", "N") }},
			{"Since", func(r *row) string { return r.date("02.01.2006") }},
		},
		segments: []segment{
			{"consent", "Consent = 'Y'", func(r *record) bool { return r.consent }},
			{"organic", "Interests LIKE '%organic%'", func(r *record) bool { return r.likes("organic") }},
			{
				"big_basket", "try_cast(Spend AS DOUBLE) >= 3000",
				func(r *record) bool { return r.spend >= 300000 },
			},
		},
		dimensions: []dimension{
			{"age_band", "Age", ageBands, func(r *record) string { return r.ageBand }},
			{"region", `"Home region"`, regions, func(r *record) string { return r.region }},
			{
				"basket", "CASE WHEN try_cast(Spend AS DOUBLE) >= 3000 THEN 'large' " +
					"WHEN try_cast(Spend AS DOUBLE) >= 1200 THEN 'medium' " +
					"WHEN try_cast(Spend AS DOUBLE) >= 0 THEN 'small' END",
				[]string{"small", "medium", "large"},
				basket,
			},
		},
	},
	airline: {
		name: "airline", id: "contact", bound: 10000, messy: 0.35,
		draw:    drawAirline,
		consent: "newsletter = 'true'",
		columns: []column{
			{"contact", func(r *row) string { return r.email }},
			{"passenger", func(r *row) string { return r.first + nickname(r) + " " + r.last }},
			{"status", func(r *row) string { return r.tier }},
			{"cabin", func(r *row) string { return r.cabin }},
			{"region", func(r *row) string { return r.region }},
			{"spend", func(r *row) string { return r.money() }},
			{"interests", func(r *row) string { return joined(r.interests) }},
			{"newsletter", func(r *row) string { return either(r.consent, "true", "false") }},
			{"joined", func(r *row) string { return r.date("2006-01-02") }},
		},
		segments: []segment{
			{"consent", "newsletter = 'true'", func(r *record) bool { return r.consent }},
			{
				"frequent", "status IN ('silver', 'gold')",
				func(r *record) bool { return r.tier == "silver" || r.tier == "gold" },
			},
			{"beach", "interests LIKE '%beach%'", func(r *record) bool { return r.likes("beach") }},
		},
		dimensions: []dimension{
			{"status", "status", airlineTiers, func(r *record) string { return r.tier }},
			{"cabin", "cabin", cabins, func(r *record) string { return r.cabin }},
			{"region", "region", regions, func(r *record) string { return r.region }},
		},
	},
}

var (
	bankTiers    = []string{"basic", "silver", "gold"}
	airlineTiers = []string{"blue", "silver", "gold"}
	cabins       = []string{"economy", "premium", "business"}
	groceries    = []string{"organic", "wine", "baking", "barbecue", "vegetarian", "coffee", "pets", "baby"}
	journeys     = []string{"beach", "city breaks", "hiking", "skiing", "food & wine", "family"}
)

func drawBank(s *stream, p *Person) record {
	r := common(s, p, 0.74)
	r.tier = gap(s, bankTiers[level(s.Near(p.affluence, 14), 52, 70)], "legacy")
	r.spend = amount(s, 150000+400*p.affluence*p.affluence)
	return r
}

func drawGrocer(s *stream, p *Person) record {
	r := common(s, p, 0.81)
	household := []int{2, 6, 11, 12, 8, 5}[p.age] // families with children fill a trolley
	r.spend = amount(s, 2200*household*(20+p.affluence)/10+15000)
	rich, parents := p.affluence/2, []int{1, 16, 14, 2, 1, 1}[p.age]
	r.interests = interests(s, groceries, 10+rich, 8+rich, 17, 14, 22-3*p.age, 30, 24, parents)
	return r
}

func drawAirline(s *stream, p *Person) record {
	r := common(s, p, 0.68)
	r.cabin = gap(s, cabins[level(s.Near(p.affluence, 18), 60, 76)], "charter")
	r.tier = gap(s, airlineTiers[level(s.Near(p.affluence, 30), 62, 82)], "staff")
	r.spend = amount(s, 40000+60*p.affluence*p.affluence)
	rich, parents := p.affluence/5, []int{2, 14, 30, 20, 6, 9}[p.age]
	r.interests = interests(s, journeys, 42, 38, 10+3*p.age, 5+rich, 6+rich, parents)
	return r
}

func basket(r *record) string {
	switch {
	case r.spend >= 300000:
		return "large"
	case r.spend >= 120000:
		return "medium"
	case r.spend >= 0:
		return "small"
	default:
		return ""
	}
}

// nickname is what a clerk has noted, in quotes, with every 64th name.
func nickname(r *row) string {
	if r.number%64 != 0 {
		return ""
	}
	runes := []rune(r.first)
	return ` "` + string(runes[:min(3, len(runes))]) + `"`
}
