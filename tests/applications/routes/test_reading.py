"""Networks, trips and demand from CSV files, and the errors that name bad rows."""

import pytest
from data import folder

import regmdp as rm
from regmdp.applications import routes

LINKS = "fid,O,D,length\n1,a,b,1\n2,b,c,2\n3,a,c,4\n"
NODES = "fid,x,y\na,0,0\nb,1,0\nc,2,0\n"
TRIPS = "trip_id,link_id\n1,1\n1,2\n2,3\n"
DEMAND = "origin,destination,flow\na,c,10\na,a,0\n"


def test_sioux_falls_is_read():
    network, trips, demand = routes.read_folder(folder("sioux_falls"))
    assert (network.n_links, network.n_nodes, len(trips)) == (76, 24, 2400)
    features = routes.LinkFeatures(
        network,
        {"length": routes.link_attribute(network, "length"), "U-turn": routes.u_turns(network)},
    )
    model = routes.RecursiveLogit(features, [-1.0, -1.0])
    assert routes.log_likelihood(model, trips) < 0
    assert routes.link_flows(model, demand).sum() > demand.flow.sum()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("link.csv", LINKS + "4,a,z,1\n", r"link.csv, row 5: node 'z' does not exist"),
        ("link.csv", LINKS + "3,a,b,1\n", r"link.csv, row 5: link 3 is there twice"),
        ("link.csv", LINKS + "4,a,b,-1\n", r"link.csv, row 5: link 4 has the negative length"),
        ("link.csv", "fid,O,D\n1,a,b\n", r"link.csv, row 1: the column length is missing"),
        ("data_G0.csv", TRIPS + "3,3\n3,1\n", r"data_G0.csv, row 6: trip 3 has a gap"),
        ("data_G0.csv", TRIPS + "3,9\n", r"data_G0.csv, row 5: link '9' does not exist"),
        ("data_G0.csv", TRIPS + "3,\n", r"data_G0.csv, row 5: trip 3 is empty"),
        (
            "od.csv",
            DEMAND + "c,a,5\n",
            r"od.csv, row 4: from node c to node a: .* cannot be reached",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path, file, text, message):
    good = {"link.csv": LINKS, "node.csv": NODES, "data_G0.csv": TRIPS, "od.csv": DEMAND}
    for name, content in {**good, file: text}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(rm.FormatError, match=message):
        routes.read_folder(tmp_path)
