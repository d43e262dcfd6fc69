use crate::commands::testing::{Console, check_by_hand, check_golden};
use crate::keyspace::Keyspace;

#[test]
fn golden() {
    check_golden(include_str!("../testdata/hashes.golden"));
}

#[test]
fn repeats_are_bounded() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("HSET h a 1");
    assert_eq!(console.text("HRANDFIELD h -134217729"), "-ERR value is out of range¶");
    assert_eq!(console.text("HRANDFIELD h 134217729"), "*1¶$1¶a¶");
}

#[test]
fn novalues_leaves_values_out() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    console.text("HSET h a 1 bb 2 b 3");
    assert_eq!(console.text("HSCAN h 0 NOVALUES MATCH b*"), "*2¶$1¶0¶*2¶$2¶bb¶$1¶b¶");
}

#[test]
fn fields_expire() {
    check_by_hand(
        "> HSET h a 1 b 2 c 3
        :3¶
        ! hset h
        > HEXPIRE h 10 FIELDS 2 a nope
        *2¶:1¶:-2¶
        ! hexpire h
        > HTTL h FIELDS 3 a b nope
        *3¶:10¶:-1¶:-2¶
        > HPTTL h FIELDS 1 a
        *1¶:10000¶
        > HEXPIRETIME h FIELDS 1 a
        *1¶:1700000010¶
        > HPEXPIRETIME h FIELDS 1 a
        *1¶:1700000010000¶
        > OBJECT ENCODING h
        $10¶listpackex¶
        > WAIT 9001
        > HTTL h FIELDS 1 a
        *1¶:1¶
        > HPTTL h FIELDS 1 a
        *1¶:999¶
        > HGET h a
        $1¶1¶
        > WAIT 999
        > HLEN h
        :2¶
        ! hexpired h
        > OBJECT ENCODING h
        $8¶listpack¶
        > HGET h a
        $-1¶
        > HPEXPIRE h 5 FIELDS 2 b c
        *2¶:1¶:1¶
        ! hexpire h
        > WAIT 5
        > HMGET h b c
        *2¶$-1¶$-1¶
        ! hexpired h
        ! del h
        > EXISTS h
        :0¶
        > HTTL h FIELDS 2 a b
        *2¶:-2¶:-2¶
        > HPERSIST h FIELDS 1 a
        *1¶:-2¶
        > HEXPIRE h 5 FIELDS 1 a
        *1¶:-2¶",
    );
}

#[test]
fn deadlines_are_set_on_conditions() {
    check_by_hand(
        "> HSET h a 1 b 2 c 3
        :3¶
        ! hset h
        > HPEXPIRE h 1000 NX FIELDS 1 a
        *1¶:1¶
        ! hexpire h
        > HPEXPIRE h 1000 NX FIELDS 2 a b
        *2¶:0¶:1¶
        ! hexpire h
        > HPEXPIRE h 2000 xx FIELDS 2 a c
        *2¶:1¶:0¶
        ! hexpire h
        > HPEXPIRE h 1500 GT FIELDS 3 a b c
        *3¶:0¶:1¶:0¶
        ! hexpire h
        > HPEXPIRE h 1800 LT FIELDS 3 a b c
        *3¶:1¶:0¶:1¶
        ! hexpire h
        > HPTTL h FIELDS 3 a b c
        *3¶:1800¶:1500¶:1800¶
        > HPEXPIREAT h 1699999999999 NX FIELDS 4 a b c nope
        *4¶:0¶:0¶:0¶:-2¶
        > HPEXPIREAT h 1699999999999 FIELDS 2 a nope
        *2¶:2¶:-2¶
        ! hdel h
        > HEXPIREAT h 1800000000 FIELDS 1 b
        *1¶:1¶
        ! hexpire h
        > HPERSIST h FIELDS 2 b b
        *2¶:1¶:-1¶
        ! hpersist h
        > HEXPIRE h 0 FIELDS 2 b c
        *2¶:2¶:2¶
        ! hdel h
        ! del h",
    );
}

#[test]
fn writes_keep_or_end_a_deadline() {
    check_by_hand(
        "> HSET h a 1 b 2 c 3 d 4
        :4¶
        ! hset h
        > HPEXPIRE h 10 FIELDS 4 a b c d
        *4¶:1¶:1¶:1¶:1¶
        ! hexpire h
        > HSET h a 9
        :0¶
        ! hset h
        > HINCRBY h b 1
        :3¶
        ! hincrby h
        > HINCRBYFLOAT h c 1.5
        $3¶4.5¶
        ! hincrbyfloat h
        > HDEL h d
        :1¶
        ! hdel h
        > HSET h d 4
        :1¶
        ! hset h
        > HPTTL h FIELDS 4 a b c d
        *4¶:-1¶:10¶:10¶:-1¶
        > WAIT 10
        > HINCRBY h b 1
        :1¶
        ! hexpired h
        ! hincrby h
        > HTTL h FIELDS 2 b c
        *2¶:-1¶:-2¶
        > HSETNX h c x
        :1¶
        ! hset h
        > HPEXPIRE h 1 FIELDS 1 c
        *1¶:1¶
        ! hexpire h
        > WAIT 2
        > HSCAN h 0
        *2¶$1¶0¶*6¶$1¶a¶$1¶9¶$1¶d¶$1¶4¶$1¶b¶$1¶1¶
        ! hexpired h
        > HDEL h c
        :0¶",
    );
}

#[test]
fn expiring_commands_check_their_arguments() {
    check_by_hand(
        "> SET s v
        +OK¶
        ! set s
        > HEXPIRE s x FIELDS 1 a
        -WRONGTYPE Operation against a key holding the wrong kind of value¶
        > HPERSIST s FIELDS 1 a
        -WRONGTYPE Operation against a key holding the wrong kind of value¶
        > HTTL s FIELDS 1 a
        -WRONGTYPE Operation against a key holding the wrong kind of value¶
        > HGETEX s FIELDS 1 a
        -WRONGTYPE Operation against a key holding the wrong kind of value¶
        > HSETEX s FIELDS 1 a b
        -WRONGTYPE Operation against a key holding the wrong kind of value¶
        > HGETDEL s FIELDS 1 a
        -WRONGTYPE Operation against a key holding the wrong kind of value¶
        > HEXPIRE h -1 FIELDS 1 a
        -ERR invalid expire time, must be >= 0¶
        > HEXPIRE h 281474976710 FIELDS 1 a
        -ERR invalid expire time in 'hexpire' command¶
        > HPEXPIREAT h 70368744177664 FIELDS 1 a
        -ERR invalid expire time in 'hpexpireat' command¶
        > HEXPIRE h x FIELDS 1 a
        -ERR value is not an integer or out of range¶
        > HEXPIRE h 1 NX FIELDS 0 a
        -ERR Parameter `numFields` should be greater than 0¶
        > HEXPIRE h 1 FIELDS 2 a
        -ERR The `numfields` parameter must match the number of arguments¶
        > HEXPIRE h 1 FOO FIELDS 1 a
        -ERR Mandatory argument FIELDS is missing or not at the right position¶
        > HTTL h FIELDS 0 a
        -ERR Number of fields must be a positive integer¶
        > HTTL h FIELDS 1 a b
        -ERR The `numfields` parameter must match the number of arguments¶
        > HTTL h FOO 1 a
        -ERR Mandatory argument FIELDS is missing or not at the right position¶
        > HGETEX h PXAT 1 1
        -ERR Mandatory argument FIELDS is missing or not at the right position¶
        > HGETEX h PERSIST 1 FIELDS 1 a
        -ERR Mandatory argument FIELDS is missing or not at the right position¶
        > HGETEX h PERSIST EX 1 FIELDS 1 a
        -ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified¶
        > HGETEX h FIELDS 9223372036854775808 a
        -ERR Number of fields must be a positive integer¶
        > HGETEX h PX -1 FIELDS 1 a
        -ERR invalid expire time, must be >= 0¶
        > HGETDEL h FIELDS 2 a
        -ERR The `numfields` parameter must match the number of arguments¶
        > HSETEX h FIELDS 2 a b
        -ERR wrong number of arguments for 'hsetex' command¶
        > HSETEX h FIELDS 1 a b c
        -ERR wrong number of arguments for 'hsetex' command¶
        > HSETEX h FIELDS x a b
        -ERR invalid number of fields¶
        > HSETEX h NX FIELDS 1 a b
        -ERR unknown argument: NX¶
        > HSETEX h FXX FNX FIELDS 1 a b
        -ERR Only one of FXX or FNX arguments can be specified¶
        > HSETEX h EX 1 KEEPTTL FIELDS 1 a b
        -ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified¶
        > HSETEX h EX FIELDS 1 a b
        -ERR value is not an integer or out of range¶
        > EXISTS h
        :0¶",
    );
}

#[test]
fn values_and_deadlines_go_together() {
    check_by_hand(
        "> HSETEX h FXX FIELDS 1 a 1
        :0¶
        > HSETEX h EX 10 FIELDS 2 a 1 b 2
        :1¶
        ! hset h
        ! hexpire h
        > HSETEX h FNX FIELDS 2 a 1 c 3
        :0¶
        > HSETEX h FXX KEEPTTL FIELDS 1 a 11
        :1¶
        ! hset h
        > HSETEX h FNX FIELDS 1 c 3
        :1¶
        ! hset h
        > HPTTL h FIELDS 3 a b c
        *3¶:10000¶:10000¶:-1¶
        > HSETEX h FIELDS 1 b 2
        :1¶
        ! hset h
        > HTTL h FIELDS 1 b
        *1¶:-1¶
        > HGETEX h FIELDS 3 a b nope
        *3¶$2¶11¶$1¶2¶$-1¶
        > HGETEX h PX 500 FIELDS 2 b nope
        *2¶$1¶2¶$-1¶
        ! hexpire h
        > HGETEX h PERSIST FIELDS 2 a c
        *2¶$2¶11¶$1¶3¶
        ! hpersist h
        > HPTTL h FIELDS 3 a b c
        *3¶:-1¶:500¶:-1¶
        > WAIT 500
        > HSETEX h KEEPTTL FIELDS 1 b 3
        :1¶
        ! hexpired h
        ! hset h
        > HTTL h FIELDS 1 b
        *1¶:-1¶
        > HGETEX h PX 0 FIELDS 1 a
        *1¶$2¶11¶
        ! hdel h
        > HSETEX h PXAT 1 FIELDS 1 b 5
        :1¶
        ! hset h
        ! hdel h
        > HGETDEL h FIELDS 2 nope c
        *2¶$-1¶$1¶3¶
        ! hdel h
        ! del h
        > HGETDEL h FIELDS 1 c
        *1¶$-1¶
        > HGETEX h EX 5 FIELDS 1 c
        *1¶$-1¶
        > EXISTS h
        :0¶",
    );
}

#[test]
fn a_visit_removes_a_bounded_number_of_fields() {
    let keyspace = Keyspace::new(1, 1);
    let mut console = Console::new(&keyspace);
    for n in 0..1000 {
        console.text(&format!("HSETEX h PX {} FIELDS 1 f{n} v", 1 + n % 2));
    }
    console.text("HSET h stays v");
    let now = console.ctx.env.now_ms + 1;
    console.ctx.env.tick(now);
    assert_eq!(console.text("HLEN h"), ":501¶");
    // Due fields that are still there are no obstacle to writing them.
    assert_eq!(console.text("HSET h f998 new"), ":1¶");
    assert_eq!(console.text("HDEL h f996"), ":0¶");
    assert_eq!(console.text("HGET h f998"), "$3¶new¶");
    let due = |console: &Console<'_>| console.ctx.locks.iter().map(|s| s.stats.expired_members).sum::<u64>();
    assert!((200..500).contains(&due(&console)));
    for _ in 0..4 {
        console.text("HTTL h FIELDS 1 f1");
    }
    assert!((498..=500).contains(&due(&console)), "{}", due(&console));
    console.ctx.env.tick(now + 1);
    assert_eq!(console.text("HLEN h"), ":2¶");
}

#[test]
fn a_field_is_renamed_with_its_deadline() {
    check_by_hand(
        "> HSET h a 1 b 2
        :2¶
        ! hset h
        > HPEXPIRE h 10 FIELDS 1 a
        *1¶:1¶
        ! hexpire h
        > KEYDB.HRENAME h a c
        :1¶
        ! hdel h
        ! hset h
        > HPTTL h FIELDS 3 a b c
        *3¶:-2¶:-1¶:10¶
        > KEYDB.HRENAME h b c
        :1¶
        ! hdel h
        ! hset h
        > HGETALL h
        *2¶$1¶c¶$1¶2¶
        > HTTL h FIELDS 1 c
        *1¶:-1¶
        > KEYDB.HRENAME h nope c
        :0¶
        > KEYDB.HRENAME h c c
        :1¶
        > KEYDB.HRENAME nope a b
        $-1¶",
    );
}
