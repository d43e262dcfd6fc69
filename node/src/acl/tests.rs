//! Users as words: in and out.

use engine::command::CommandId;
use protocol::OwnedArgs;

use super::{Denial, ModifierError, Rules};

fn rules(words: &str) -> Rules {
    let mut rules = Rules::new(false);
    change(&mut rules, words).unwrap_or_else(|e| panic!("{words}: {e}"));
    rules
}

fn change(rules: &mut Rules, words: &str) -> Result<(), ModifierError> {
    let words = super::modifier::join_selectors(words.split(' ').map(str::as_bytes)).unwrap();
    words.iter().try_for_each(|word| rules.apply(word, false))
}

fn described(words: &str) -> String {
    String::from_utf8(rules(words).describe()).unwrap()
}

fn refused(words: &str) -> ModifierError {
    change(&mut Rules::new(false), words).unwrap_err()
}

fn check(words: &str, line: &str) -> Result<(), Denial> {
    let args = OwnedArgs::from_slices(line.split(' ').map(str::as_bytes));
    let first = args.view();
    let name = match first.get(1).and_then(|sub| CommandId::named(&[&first[0], b"|", sub].concat())) {
        Some(id) => id,
        None => CommandId::named(&first[0]).unwrap(),
    };
    rules(words).check(name.facts(), first)
}

#[test]
fn words_come_back() {
    for words in [
        "off resetchannels -@all",
        "on nopass ~* &* +@all",
        "off ~a ~b %R~x %W~y resetchannels &c -@all +@read",
        "off resetchannels -@all +debug|object +select|0 +select|1",
        "off resetchannels +@all -client +client|id",
        "off resetchannels +@all -@dangerous +config|get",
        "on #e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 resetchannels -@all (~a resetchannels -@all +get)",
    ] {
        assert_eq!(described(words), words);
    }
    assert_eq!(described("+@all -@all +@hash"), "off resetchannels -@all +@hash");
    assert_eq!(described("+memory|doctor +memory"), "off resetchannels -@all +memory");
    assert_eq!(described("%R~a %W~a ALLCOMMANDS"), "off ~a resetchannels +@all");
    assert_eq!(described("+select|0 +select"), "off resetchannels -@all +select");
}

#[test]
fn each_category_is_its_own_description() {
    for (_, name) in engine::command::Categories::NAMES {
        assert_eq!(described(&format!("+@{name}")), format!("off resetchannels -@all +@{name}"));
        assert_eq!(described(&format!("+@all -@{name}")), format!("off resetchannels +@all -@{name}"));
    }
}

#[test]
fn wrong_words_are_refused() {
    for words in ["bogus", "%X~a", "%~", "%", "%RR~a", "+config|", "(on)", ")", "((+get))", "~a\x0bb"] {
        assert_eq!(refused(words), ModifierError::Syntax, "{words}");
    }
    for words in ["+nosuch", "+@nosuch", "-get|x", "+config|bogus", "-config|get|x", "(+nosuch)"] {
        assert_eq!(refused(words), ModifierError::UnknownCommand, "{words}");
    }
    assert_eq!(refused("+config|get|x"), ModifierError::FirstArgOfSubcommand);
    assert_eq!(refused("allkeys ~a"), ModifierError::KeyAfterAll);
    assert_eq!(refused("&* &a"), ModifierError::ChannelAfterAll);
    assert_eq!(refused("<a"), ModifierError::NoSuchPassword);
    assert_eq!(refused("#ABC"), ModifierError::BadHash);
}

#[test]
fn passwords_let_in() {
    let user = rules("on >one >two");
    assert!(user.admits(b"one") && user.admits(b"two") && !user.admits(b"three") && !user.admits(b""));
    assert!(!rules(">one").admits(b"one"));
    assert!(rules("on nopass").admits(b"whatever"));
    assert!(!rules("on nopass >one").admits(b"whatever"));
    assert!(!rules("on >one <one").admits(b"one"));
}

#[test]
fn the_farthest_check_tells_why() {
    assert_eq!(check("+get ~a", "get a"), Ok(()));
    assert_eq!(check("+get ~a", "set a b"), Err(Denial::Command));
    assert_eq!(check("+mget ~a", "mget a b c"), Err(Denial::Key(2)));
    assert_eq!(check("+mget ~a (+mget ~a ~b)", "mget a b c"), Err(Denial::Key(3)));
    assert_eq!(check("+publish &a", "publish b x"), Err(Denial::Channel(1)));
    assert_eq!(check("", "auth x"), Ok(()));
    assert_eq!(check("+select|0", "select 0"), Ok(()));
    assert_eq!(check("+select|0", "select 1"), Err(Denial::Command));
    assert_eq!(check("+@all %R~r* %W~w*", "copy r w"), Ok(()));
    assert_eq!(check("+@all %R~r* %W~w*", "copy w r"), Err(Denial::Key(1)));
    assert_eq!(check("+@all &a*", "psubscribe a*"), Ok(()));
    assert_eq!(check("+@all &a*", "psubscribe ab"), Err(Denial::Channel(1)));
}
