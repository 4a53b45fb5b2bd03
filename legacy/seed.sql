-- The small seed data. Every id and time is a literal, so that tests and contracts may name them;
-- running it twice changes nothing. Everybody's password is `flowviz`.

insert into auth.users
  (id, email, encrypted_password, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
values
  ('e06874b4-2b78-40cf-944d-910ecf16393a', 'admin@flowviz.com',
   'scrypt$16384$8$1$Zmxvd3Zpei1hZG1pbi0wMQ==$QwQXds4q1eSZYh8sSM8qn8okFKGNKL6L35NPDDIvIs4=',
   '{"provider": "email", "providers": ["email"], "role": "ADMIN"}', '{"full_name": "Anna Admin"}',
   '2026-09-01 08:00:00.101112+00', '2026-09-01 08:00:00.101112+00'),
  ('967f2124-1c2d-4540-b81b-656863e79acf', 'operator@flowviz.com',
   'scrypt$16384$8$1$Zmxvd3Zpei1vcGVyYXQtMQ==$sjxJxT3cDASUpUV5OFKcys3mZJJ6DFFkqWfnhIxv2YU=',
   '{"provider": "email", "providers": ["email"], "role": "OPERATOR"}', '{"full_name": "Otto Operator"}',
   '2026-09-01 08:05:00.131415+00', '2026-09-01 08:05:00.131415+00'),
  ('2a91d58b-1729-468b-8738-51f2f8f3b9fc', 'auditor@flowviz.com',
   'scrypt$16384$8$1$Zmxvd3Zpei1hdWRpdC0wMQ==$gDtKHs6+P+Yp6Fq1gb8Gnwd+vLNdnlB30DzRdEiHUrk=',
   '{"provider": "email", "providers": ["email"], "role": "AUDITOR"}', '{"full_name": "Aranka Auditor"}',
   '2026-09-01 08:10:00.161718+00', '2026-09-01 08:10:00.161718+00')
on conflict do nothing;

insert into public.users (id, email, full_name, role, created_at, last_login) values
  ('e06874b4-2b78-40cf-944d-910ecf16393a', 'admin@flowviz.com', 'Anna Admin', 'ADMIN',
   '2026-09-01 08:00:00.101112+00', null),
  ('967f2124-1c2d-4540-b81b-656863e79acf', 'operator@flowviz.com', 'Otto Operator', 'OPERATOR',
   '2026-09-01 08:05:00.131415+00', '2026-11-20 04:58:11.020304+00'),
  ('2a91d58b-1729-468b-8738-51f2f8f3b9fc', 'auditor@flowviz.com', 'Aranka Auditor', 'AUDITOR',
   '2026-09-01 08:10:00.161718+00', null)
on conflict do nothing;

insert into public.scenarios (id, name, version, config, i18n, is_active, created_at) values
  ('a2a166f6-213f-4b35-8236-4886f1cbfba7', '{"hu": "Döner gyártás", "en": "Doner production"}', '1.0',
   '{"shift_hours": 8, "auto_registration": true}', '{"default": "hu"}', true,
   '2026-09-02 09:00:00.192021+00')
on conflict do nothing;

insert into public.streams (id, scenario_id, stream_key, name, color, sort_order) values
  ('ef26da0e-d6f2-428a-9846-fdf310d5bb15', 'a2a166f6-213f-4b35-8236-4886f1cbfba7', 'A',
   '{"hu": "Marha", "en": "Beef"}', '#c0392b', 1),
  ('6a57df6f-4858-43ab-aa74-d0db0959ef8b', 'a2a166f6-213f-4b35-8236-4886f1cbfba7', 'B',
   '{"hu": "Fűszer", "en": "Spice"}', '#d68910', 2),
  ('ae1a3cbd-db6b-455a-919c-34c1fb9c0fd4', 'a2a166f6-213f-4b35-8236-4886f1cbfba7', 'C',
   '{"hu": "Csomagolás", "en": "Packing"}', '#2471a3', 3)
on conflict do nothing;

insert into public.qc_gates (id, scenario_id, gate_number, name, gate_type, is_ccp, checklist) values
  ('667fb0e3-ea21-4240-a5db-e3dbab45d8ea', 'a2a166f6-213f-4b35-8236-4886f1cbfba7', 1,
   '{"hu": "Átvétel", "en": "Receiving"}', 'CHECKPOINT', false, '["temperature", "packaging"]'),
  ('4329e97b-35ac-4a14-95be-a1a806e6bf6b', 'a2a166f6-213f-4b35-8236-4886f1cbfba7', 2,
   '{"hu": "Maghőmérséklet", "en": "Core temperature"}', 'BLOCKING', true, '["core temperature", "probe id"]'),
  ('a7e7859c-3a8b-4869-b6a0-0a8c677e77de', 'a2a166f6-213f-4b35-8236-4886f1cbfba7', 3,
   '{"hu": "Címke", "en": "Label"}', 'INFO', false, '[]')
on conflict do nothing;

insert into public.phases (id, scenario_id, stream_id, qc_gate_id, phase_number, name, description) values
  ('231c79fe-c52a-4b49-9cb9-1282720a7c55', 'a2a166f6-213f-4b35-8236-4886f1cbfba7',
   'ef26da0e-d6f2-428a-9846-fdf310d5bb15', '667fb0e3-ea21-4240-a5db-e3dbab45d8ea', 1,
   '{"hu": "Hús átvétele", "en": "Meat receiving"}', null),
  ('6cde0fe1-3529-420b-a580-568859eda29e', 'a2a166f6-213f-4b35-8236-4886f1cbfba7',
   '6a57df6f-4858-43ab-aa74-d0db0959ef8b', null, 2,
   '{"hu": "Keverés", "en": "Mixing"}', '{"hu": "Hús és fűszer", "en": "Meat and spice"}'),
  ('f1c487cc-5ed2-43f7-937f-a4db70356705', 'a2a166f6-213f-4b35-8236-4886f1cbfba7',
   'ef26da0e-d6f2-428a-9846-fdf310d5bb15', '4329e97b-35ac-4a14-95be-a1a806e6bf6b', 3,
   '{"hu": "Fagyasztás", "en": "Freezing"}', null),
  ('2e4a837b-6f22-4020-a6f0-a3ca5594788c', 'a2a166f6-213f-4b35-8236-4886f1cbfba7',
   'ae1a3cbd-db6b-455a-919c-34c1fb9c0fd4', 'a7e7859c-3a8b-4869-b6a0-0a8c677e77de', 4,
   '{"hu": "Csomagolás", "en": "Packing"}', null)
on conflict do nothing;

insert into public.production_runs
  (id, run_code, scenario_id, operator_id, status, daily_target_kg, started_at, ended_at, summary)
values
  ('5859355d-f476-4c17-a3e0-be6b1e74ff5b', 'PRD-20261119-001', 'a2a166f6-213f-4b35-8236-4886f1cbfba7',
   '967f2124-1c2d-4540-b81b-656863e79acf', 'COMPLETED', 1000.0,
   '2026-11-19 05:00:00.222324+00', '2026-11-19 13:10:42.252627+00',
   '{"lots": 12, "total_kg": 987.5, "decisions": {"PASS": 4, "HOLD": 0, "FAIL": 0}}'),
  ('ce461d43-126d-4ef4-96d2-e2d396eff7d2', 'PRD-20261120-001', 'a2a166f6-213f-4b35-8236-4886f1cbfba7',
   '967f2124-1c2d-4540-b81b-656863e79acf', 'ACTIVE', 1200.0,
   '2026-11-20 05:00:00.282930+00', null, null)
on conflict do nothing;

-- FRZ-STORE-007 is the oldest lot. Its scale ticket is above 2^53: JSON.parse in Node rounds it to
-- ...992, a real defect of the legacy backend that a comparison must find.
insert into public.lots
  (id, lot_code, lot_type, production_run_id, phase_id, operator_id, weight_kg, temperature_c, metadata, created_at)
values
  ('56751304-0a2e-4ffd-b497-ecda19ca7ad9', 'FRZ-STORE-007', 'FRZ', null, null, null, 120.5, -18.5,
   '{"store": "cold-3", "scale_ticket": 9007199254740993}', '2026-11-18 06:30:15.313233+00'),
  ('2d7a4b07-f475-40ad-bf3b-8faab25a11b1', 'RAW-BEEF-001', 'RAW', 'ce461d43-126d-4ef4-96d2-e2d396eff7d2',
   '231c79fe-c52a-4b49-9cb9-1282720a7c55', '967f2124-1c2d-4540-b81b-656863e79acf', 500.0, 2.5,
   '{"supplier": "Hegyi Hús Kft."}', '2026-11-20 05:12:09.343536+00'),
  ('0270c660-0094-4a9f-81c7-89a4bc09a799', 'RAW-SPICE-001', 'RAW', 'ce461d43-126d-4ef4-96d2-e2d396eff7d2',
   '231c79fe-c52a-4b49-9cb9-1282720a7c55', '967f2124-1c2d-4540-b81b-656863e79acf', 50.0, null,
   '{}', '2026-11-20 05:20:31.373839+00'),
  ('8b26adc0-d021-44cf-9435-63561f235fdb', 'MIX-BATCH-88', 'MIX', 'ce461d43-126d-4ef4-96d2-e2d396eff7d2',
   '6cde0fe1-3529-420b-a580-568859eda29e', '967f2124-1c2d-4540-b81b-656863e79acf', 540.0, 3.0,
   '{}', '2026-11-20 08:45:57.404142+00'),
  ('35ea69c5-b457-4543-bbad-c3ea088b02a7', 'FG-DONER-X1', 'FG', 'ce461d43-126d-4ef4-96d2-e2d396eff7d2',
   '2e4a837b-6f22-4020-a6f0-a3ca5594788c', '967f2124-1c2d-4540-b81b-656863e79acf', 530.0, -18.0,
   '{}', '2026-11-20 23:24:22.146123+00')
on conflict do nothing;

insert into public.lot_genealogy (id, parent_lot_id, child_lot_id, quantity_used_kg, linked_at) values
  ('7e808f7a-0e08-4437-ba58-bd7bc4c1870b', '2d7a4b07-f475-40ad-bf3b-8faab25a11b1',
   '8b26adc0-d021-44cf-9435-63561f235fdb', 500.0, '2026-11-20 08:46:02.434445+00'),
  ('8a019163-e913-4c41-9697-65c5f510b129', '0270c660-0094-4a9f-81c7-89a4bc09a799',
   '8b26adc0-d021-44cf-9435-63561f235fdb', 40.0, '2026-11-20 08:46:05.464748+00'),
  ('cc94bd88-ff7b-44a1-9b7c-814501189d8b', '8b26adc0-d021-44cf-9435-63561f235fdb',
   '35ea69c5-b457-4543-bbad-c3ea088b02a7', 530.0, '2026-11-20 23:24:30.495051+00')
on conflict do nothing;
