package sample

import "strings"

// culture is a stock of names that go together.
type culture struct{ first, last []string }

func names(list string) []string { return strings.Split(list, ", ") }

// cultures holds 120 first and 120 last names. The people are invented; every name is in Unicode's composed form (NFC).
var cultures = []culture{
	{
		names("Alice, Oliver, Grace, Harry, Siobhán, Jack, Chloe, Liam, Niamh, Emily, Thomas, Seán"),
		names("Smith, Jones, Taylor, Brown, O'Brien, Murphy, Wilson, Ó Súilleabháin, Walker, Byrne, Wright, Hughes"),
	},
	{
		names("Lucía, José, María, Sofía, Martín, Inés, Andrés, Raúl, Carmen, Pablo, Begoña, Álvaro"),
		names("García, Martínez, López, Sánchez, Pérez, Muñoz, Ibáñez, Núñez, Torres, de la Cruz, Ramírez, Vega"),
	},
	{
		names("Chloé, Léa, Élodie, François, Hélène, Théo, Zoé, Jérôme, Camille, Benoît, Anaïs, Luc"),
		names("Lefèvre, Dubois, Moreau, Béranger, Dupré, Gauthier, Girard, Hébert, Fournier, Mercier, d'Aubigné, Leclerc"),
	},
	{
		names("Jürgen, Anke, Björn, Lukas, Hannah, Käthe, Felix, Lena, Günther, Jörg, Mia, Bärbel"),
		names("Müller, Schäfer, Weiß, Schröder, Köhler, Groß, Becker, Hoffmann, Krüger, Böhm, Vogel, von Berg"),
	},
	{
		names("Jón, Åsa, Søren, Lærke, Sigrún, Þóra, Øystein, Mikkel, Elin, Päivi, Jani, Märta"),
		names("Hansen, Sørensen, Åkesson, Lindström, Guðmundsdóttir, Nygård, Jónsson, Mäkinen, Hämäläinen, Dahl, Ødegård, Bjørnstad"),
	},
	{
		names("Łukasz, Agnieszka, Paweł, Zuzana, Tomáš, Jiří, Małgorzata, Ivana, Dušan, Katarína, Michał, Vesna"),
		names("Nowak, Kowalska, Wiśniewski, Dvořák, Novák, Černý, Horvat, Kovačević, Zieliński, Svoboda, Jovanović, Šimić"),
	},
	{
		names("João, Giulia, Marco, Inês, Conceição, Luca, Beatriz, Chiara, Antônio, Simão, Francesca, Niccolò"),
		names("Rossi, Bianchi, Conti, Gonçalves, Araújo, Magalhães, D'Angelo, Ferreira, Esposito, Simões, Lombardi, Moretti"),
	},
	{
		names("Ayşe, Mehmet, Zeynep, Çağla, Omar, Layla, Yusuf, Fatma, Gökhan, Nour, Hüseyin, Amira"),
		names("Yılmaz, Şahin, Öztürk, Kaya, Çelik, Haddad, Al-Khatib, Mansour, Doğan, Khalil, Rahman, Güneş"),
	},
	{
		names("Priya, Arjun, Ananya, Rohan, Meera, Vikram, Chidi, Amara, Kwame, Ngozi, Lakshmi, Sanjay"),
		names("Sharma, Patel, Iyer, Singh, Gupta, Reddy, Okafor, Mensah, Adeyemi, Nwosu, Chaudhary, Banerjee"),
	},
	{
		names("Wei, Mei, Hiroshi, Yuki, Linh, Minh, Đức, Sakura, Jisoo, Haruto, Thuỷ, Xiulan"),
		names("Nguyễn, Trần, Lê, Phạm, Wang, Li, Zhang, Tanaka, Satō, Kim, Park, Đặng"),
	},
}

// domains are mail domains under the top-level domain that RFC 2606 reserves for examples, so no address is anybody's.
var domains = names("post.example, mailbox.example, inbox.example, webmail.example, letters.example, quickmail.example, " +
	"homenet.example, telebox.example, courier.example, paperplane.example")

// fullName draws a first and a last name, nine times in ten of one culture.
func fullName(s *stream) (first, last string) {
	c := pick(s, cultures)
	first = pick(s, c.first)
	if s.Chance(0.1) {
		c = pick(s, cultures)
	}
	return first, pick(s, c.last)
}
